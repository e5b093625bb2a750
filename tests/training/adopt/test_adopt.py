"""`adopt`: a model of each framework is trained, converted, and answers after as before; what can run code is refused."""

import json
import os
import pickle
import sys
import zipfile

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from governance.drift.profile import SignedProfile
from training.adopt import adopt
from training.adopt.command import command
from training.adopt.model import Converted
from training.config import TrainingError

# Keras looks at it when it is imported.
os.environ.setdefault("KERAS_BACKEND", "torch")
pytestmark = pytest.mark.filterwarnings("default")
RANDOM = np.random.default_rng(7)
ROWS = RANDOM.normal(size=(200, 4)).astype(np.float32)
BINARY = (ROWS[:, 0] + ROWS[:, 1] ** 2 > 0.5).astype(int)
THREE = np.digitize(ROWS[:, 0], [-0.5, 0.5])
NAMES = np.array(["low", "middle", "high"])[THREE]


def checked(folder, adopted, *, classes=(), items=200):
    """The folder is what `artifact seal` takes, and says how far the answers are apart."""
    card = json.loads((folder / "card.json").read_text())
    assert card["parity"] == {"items": items, "greatest_difference": adopted.difference} and adopted.difference <= 1e-4
    assert card.get("classes", []) == list(classes) and card["name"] == "m"
    assert card["inputs"][0]["shape"][0] == -1, "the batch is free"
    if items >= 100:
        SignedProfile.parse((folder / "profile.json").read_bytes()).profile.verify(card)
    return card


def sklearn_models():
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    yield "logistic", LogisticRegression().fit(ROWS, NAMES), ("high", "low", "middle")
    yield "pipeline", make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, BINARY), ("0", "1")
    yield "boosting", GradientBoostingClassifier(n_estimators=10).fit(ROWS, NAMES), ("high", "low", "middle")
    yield "forest", RandomForestRegressor(10, random_state=0).fit(ROWS, ROWS @ [1, 2, 3, 4]), ()
    yield "network", MLPClassifier((8,), max_iter=50, random_state=0).fit(ROWS, NAMES), ("high", "low", "middle")
    yield "scaler", StandardScaler().fit(ROWS), ()


@pytest.mark.parametrize("number", range(6))
def test_adopt_scikit_learn(tmp_path, number):
    name, model, classes = list(sklearn_models())[number]
    adopted = adopt(model, tmp_path / name, name="m", examples=ROWS)
    card = checked(tmp_path / name, adopted, classes=classes)
    assert card["origin"].startswith("scikit-learn")


def xgboost_models():
    import xgboost

    yield xgboost.XGBClassifier(n_estimators=8, max_depth=3).fit(ROWS, BINARY), ("0", "1")
    yield xgboost.XGBClassifier(n_estimators=8, max_depth=3).fit(ROWS, THREE), ("0", "1", "2")
    yield xgboost.XGBRegressor(n_estimators=8, max_depth=3).fit(ROWS, ROWS[:, 0]), ()


@pytest.mark.parametrize("number", range(3))
def test_adopt_xgboost(tmp_path, number):
    model, classes = list(xgboost_models())[number]
    checked(tmp_path / "x", adopt(model, tmp_path / "x", name="m", examples=ROWS), classes=classes)


def lightgbm_models():
    import lightgbm

    settings = {"n_estimators": 8, "num_leaves": 7, "verbose": -1}
    yield lightgbm.LGBMClassifier(**settings).fit(ROWS, BINARY), ("0", "1")
    yield lightgbm.LGBMClassifier(**settings).fit(ROWS, NAMES), ("high", "low", "middle")
    yield lightgbm.LGBMRegressor(**settings).fit(ROWS, ROWS[:, 0]), ()


@pytest.mark.parametrize("number", range(3))
def test_adopt_lightgbm(tmp_path, number):
    model, classes = list(lightgbm_models())[number]
    checked(tmp_path / "x", adopt(model, tmp_path / "x", name="m", examples=ROWS), classes=classes)


@pytest.mark.parametrize("kind", ["xgboost", "lightgbm"])
def test_adopt_boosters_from_their_own_files(tmp_path, kind):
    model = next(xgboost_models() if kind == "xgboost" else lightgbm_models())[0]
    file = tmp_path / ("m.ubj" if kind == "xgboost" else "m.txt")
    (model.get_booster() if kind == "xgboost" else model.booster_).save_model(file)
    np.save(tmp_path / "rows.npy", ROWS)
    words = [str(file), str(tmp_path / "out"), "--name", "m", "--examples", str(tmp_path / "rows.npy")]
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 0, done.exception
    assert "200 answers differ by at most" in done.output and "reference profile" in done.output


def test_adopt_torch_by_either_exporter(tmp_path, monkeypatch):
    import torch

    from training.adopt import from_torch

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3), torch.nn.Softmax(1))
    for name, broken in (("new", "_by_torchscript"), ("old", "_by_torch_export")):
        with monkeypatch.context() as patch:
            patch.setattr(from_torch, broken, lambda *_: (_ for _ in ()).throw(RuntimeError("not this one")))
            adopted = adopt(model, tmp_path / name, name="m", examples=ROWS, classes=["a", "b", "c"])
        checked(tmp_path / name, adopted, classes=("a", "b", "c"))


def test_adopt_keras_digit_network_as_an_object_and_as_a_file(tmp_path):
    """Two convolutions, two poolings, dense 64, dense 10 with softmax; Adam, sparse cross-entropy."""
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D(),
            layers.Conv2D(16, 3, activation="relu"), layers.MaxPooling2D(),
            layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(10, activation="softmax"),
        ]
    )  # fmt: skip
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    images = RANDOM.random((128, 28, 28, 1)).astype(np.float32)
    model.fit(images, RANDOM.integers(0, 10, 128), epochs=1, batch_size=32, verbose=0)
    digits = [str(digit) for digit in range(10)]
    adopted = adopt(model, tmp_path / "m", name="m", examples=images, classes=digits)
    card = checked(tmp_path / "m", adopted, classes=digits, items=128)
    assert card["origin"].startswith("keras")
    model.save(tmp_path / "m.keras")
    np.save(tmp_path / "images.npy", images)
    done = CliRunner().invoke(
        command, [str(tmp_path / "m.keras"), str(tmp_path / "file"), "--examples", str(tmp_path / "images.npy")]
    )
    assert done.exit_code == 0 and "128 answers differ" in done.output, done.exception


def linear(path):
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(np.ones((4, 2), np.float32), "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)


def test_adopt_hugging_face_export_takes_tokenizer_and_labels_and_leaves_weights_behind(tmp_path):
    export = tmp_path / "export"
    (export / "onnx").mkdir(parents=True)
    linear(export / "onnx/model.onnx")
    (export / "config.json").write_text(json.dumps({"id2label": {"0": "bad", "1": "good"}}))
    (export / "tokenizer.json").write_text("{}")
    (export / "pytorch_model.bin").write_bytes(b"\x80\x04weights")
    adopted = adopt(export, tmp_path / "m", name="m")
    assert adopted.card["classes"] == ["bad", "good"] and adopted.compared == 0
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == [
        "card.json",
        "config.json",
        "model.onnx",
        "tokenizer.json",
    ]


class Trap:
    def __reduce__(self):
        return (os.mkdir, ("trapped",))


@pytest.mark.parametrize("suffix", ["pkl", "joblib", "pt", "pth", "bin", "h5", "ckpt"])
def test_adopt_opens_no_file_that_can_run_code(tmp_path, monkeypatch, suffix):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / f"model.{suffix}"
    file.write_bytes(pickle.dumps(Trap()))
    done = CliRunner().invoke(command, [str(file), "out"])
    assert "can run code" in str(done.exception) and "MODULE:FUNCTION" in str(done.exception)
    np.save(tmp_path / "rows.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    linear(tmp_path / "m.onnx")
    done = CliRunner().invoke(command, ["m.onnx", "out", "--examples", "rows.npy"])
    assert "cannot read the examples" in str(done.exception)
    assert not (tmp_path / "trapped").exists() and not (tmp_path / "out").exists()


def test_adopt_refuses_a_keras_file_with_code_in_it(tmp_path):
    import keras

    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Lambda(lambda x: x * 2)])
    model.save(tmp_path / "code.keras")
    assert zipfile.is_zipfile(tmp_path / "code.keras")
    done = CliRunner().invoke(command, [str(tmp_path / "code.keras"), str(tmp_path / "out")])
    assert "cannot read" in str(done.exception) and not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", [0.001, float("nan")])
def test_adopt_writes_nothing_if_the_answers_differ(tmp_path, monkeypatch, wrong):

    from training.adopt import adopt as function_module  # noqa: F401

    module = sys.modules["training.adopt.adopt"]

    def converter(model, examples, file):
        linear(file)
        return Converted(
            "test", lambda tensors: [tensors["features"] @ np.ones((4, 2), np.float32) + np.float32(wrong)]
        )

    monkeypatch.setattr(module, "converter_of", lambda model: converter)
    with pytest.raises(TrainingError, match="answers differently"):
        adopt(object(), tmp_path / "m", name="m", examples=ROWS)
    assert list(tmp_path.iterdir()) == []


def test_adopt_says_what_it_does_not_know(tmp_path):
    with pytest.raises(TrainingError, match=r"no model of xgboost, lightgbm, keras, sklearn, torch"):
        adopt(object(), tmp_path / "m", name="m", examples=ROWS)
    from sklearn.linear_model import LogisticRegression

    with pytest.raises(TrainingError, match="examples are needed"):
        adopt(LogisticRegression().fit(ROWS, BINARY), tmp_path / "m", name="m")


def test_adopt_command_takes_a_function_of_ones_own_code(tmp_path, monkeypatch):
    (tmp_path / "train_it.py").write_text(
        "import numpy as np\nfrom sklearn.linear_model import LinearRegression\n"
        "def model():\n    x = np.random.default_rng(0).random((120, 3)).astype(np.float32)\n"
        "    return LinearRegression().fit(x, x.sum(axis=1)), x\n"
    )
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(command, ["train_it:model", "models/sum"])
    assert done.exit_code == 0, done.exception
    assert json.loads((tmp_path / "models/sum/card.json").read_text())["name"] == "sum"
