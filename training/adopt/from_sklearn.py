"""scikit-learn: estimators and pipelines, by skl2onnx, with tensors instead of ZipMap's dictionaries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.adopt.model import Array, Converted, Tensors, names_of, needed, single

OPSET = {"": 17, "ai.onnx.ml": 3}


def convert(model: Any, examples: Tensors, file: Path) -> Converted:
    """Write a fitted estimator or pipeline; a classifier answers its label and the probability of each class."""
    skl2onnx, sklearn = needed("skl2onnx"), needed("sklearn", "scikit-learn")
    classifies = sklearn.base.is_classifier(model)
    ((name, _),) = examples.items()
    graph = skl2onnx.to_onnx(
        model,
        initial_types=[(name, skl2onnx.common.data_types.FloatTensorType([None, single(examples).shape[1]]))],
        options={id(model): {"zipmap": False}} if classifies else None,
        target_opset=OPSET,
    )
    file.write_bytes(graph.SerializeToString())

    def expected(tensors: Tensors) -> list[Array]:
        x = single(tensors)
        if classifies:
            return [model.predict(x), model.predict_proba(x)]
        answer = model.predict(x) if hasattr(model, "predict") else model.transform(x)
        return [answer.reshape(len(x), -1)]

    return Converted(f"scikit-learn {sklearn.__version__}", expected, names_of(model.classes_) if classifies else ())
