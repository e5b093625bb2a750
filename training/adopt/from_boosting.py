"""XGBoost and LightGBM: models with scikit-learn's interface, and boosters of their own, by onnxmltools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from training.adopt.model import Array, Converted, Tensors, names_of, needed, single

OPSET = 15


def convert_xgboost(model: Any, examples: Tensors, file: Path) -> Converted:
    """Write an `XGBClassifier`, `XGBRegressor`, `XGBRanker` or `Booster`."""
    xgboost, tools = needed("xgboost"), needed("onnxmltools")
    graph = tools.convert_xgboost(model, initial_types=_types(tools, examples), target_opset=OPSET)
    _write(graph, file)

    def expected(tensors: Tensors) -> list[Array]:
        x = single(tensors)
        if isinstance(model, xgboost.Booster):
            return _of_booster(model.predict(xgboost.DMatrix(x)), len(x), _objective(model))
        if hasattr(model, "predict_proba"):
            return [model.predict(x), model.predict_proba(x)]
        return [model.predict(x).reshape(len(x), -1)]

    classes = names_of(model.classes_) if hasattr(model, "predict_proba") else ()
    return Converted(f"xgboost {xgboost.__version__}", expected, classes)


def convert_lightgbm(model: Any, examples: Tensors, file: Path) -> Converted:
    """Write an `LGBMClassifier`, `LGBMRegressor`, `LGBMRanker` or `Booster`."""
    lightgbm, tools = needed("lightgbm"), needed("onnxmltools")
    graph = tools.convert_lightgbm(model, initial_types=_types(tools, examples), target_opset=OPSET, zipmap=False)
    _write(graph, file)

    def expected(tensors: Tensors) -> list[Array]:
        x = single(tensors)
        if isinstance(model, lightgbm.Booster):
            return _of_booster(
                model.predict(x), len(x), str(model.params.get("objective") or model.dump_model()["objective"])
            )
        if hasattr(model, "predict_proba"):
            return [model.predict(x), model.predict_proba(x)]
        return [model.predict(x).reshape(len(x), -1)]

    classes = names_of(model.classes_) if hasattr(model, "predict_proba") else ()
    return Converted(f"lightgbm {lightgbm.__version__}", expected, classes)


def _of_booster(answer: Array, items: int, objective: str) -> list[Array]:
    """Return a booster's answer in the form of the graph: label and scores of a classifier, else one column."""
    if "multi" in objective:
        scores = answer.reshape(items, -1)
        return [scores.argmax(axis=1), scores]
    if "binary" in objective:
        return [(answer > 0.5).astype(np.int64), np.stack([1 - answer, answer], axis=1)]
    return [answer.reshape(items, -1)]


def _objective(model: Any) -> str:
    import json

    return str(json.loads(model.save_config())["learner"]["objective"]["name"])


def _types(tools: Any, examples: Tensors) -> list[tuple[str, Any]]:
    ((name, _),) = examples.items()
    kinds = needed("onnxmltools.convert.common.data_types", "onnxmltools")
    return [(name, kinds.FloatTensorType([None, single(examples).shape[1]]))]


def _write(graph: Any, file: Path) -> None:
    file.write_bytes(graph.SerializeToString())
