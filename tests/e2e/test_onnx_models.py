"""Models of many kinds, sealed with `artifact seal` and called over HTTP, answer like ONNX Runtime's own session.

An export of scikit-learn with ZipMap, an LSTM and an attention with a cache of torch, texts, BF16, and models that
`onnx` ships; none has a card.
"""

import io
import shutil
import warnings
from functools import partial
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
import tritonclient.http
from onnx import TensorProto, helper

from tests.e2e.conftest import ROOT, serving

SERVICE = """
import bentoml
from governance import Governance

governance = Governance.from_file("governance.toml")


@governance.guard
@bentoml.service(name="models")
class Models:
    @bentoml.api
    def nothing(self) -> None:
        return None
"""
SETTINGS = """
[service]
name = "models"
[identity]
api_keys = "x"
hash_key = "file:x"
[policy]
policies = "policy.cedar"
cedar_schema = "schema.cedarschema"
[artifacts]
recipient_key = "file:x"
trusted_signers = ["x"]
[audit]
directory = "audit"
checkpoint_key = "file:x"
"""
SHIPPED = Path(onnx.__file__).parent / "backend/test/data"
OF_ONNX = ("pytorch-converted/test_Conv2d", "pytorch-converted/test_Softmax", "pytorch-operator/test_operator_permute2")


def forest():
    """Return a random forest as skl2onnx exports it by default: labels, and a sequence of dictionaries."""
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier

    features, classes = load_iris(return_X_y=True)
    made = RandomForestClassifier(5, random_state=1).fit(
        features, np.array(["setosa", "versicolor", "virginica"])[classes]
    )
    return skl2onnx.to_onnx(made, features[:1].astype(np.float32)).SerializeToString()


def exported(module, arguments, inputs, outputs, axes):
    torch = pytest.importorskip("torch")
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), arguments, file, input_names=inputs, output_names=outputs, dynamic_axes=axes, dynamo=False, opset_version=17)  # fmt: skip
    return file.getvalue()


def attention():
    """Return a layer of attention that takes and returns its cache of keys and values."""
    torch = pytest.importorskip("torch")

    class Attention(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.all, self.out = (
                torch.nn.Embedding(50, 16),
                torch.nn.Linear(16, 48),
                torch.nn.Linear(16, 50),
            )

        def forward(self, ids, keys, values):
            def split(tensor):
                return tensor.reshape(tensor.shape[0], tensor.shape[1], 2, 8).transpose(1, 2)

            words = self.words(ids)
            query, key, value = map(split, self.all(words).chunk(3, -1))
            keys, values = torch.cat([keys, key], 2), torch.cat([values, value], 2)
            seen = torch.softmax(query @ keys.transpose(2, 3) / 8**0.5, -1) @ values
            return self.out(seen.transpose(1, 2).reshape(words.shape)), keys, values

    cache = {0: "batch", 2: "past"}
    axes = {"ids": {0: "batch", 1: "seq"}, "keys": cache, "values": cache, "logits": {0: "batch", 1: "seq"}, "new_keys": {0: "batch", 2: "total"}, "new_values": {0: "batch", 2: "total"}}  # fmt: skip
    arguments = (torch.zeros(2, 3, dtype=torch.long), torch.zeros(2, 2, 5, 8), torch.zeros(2, 2, 5, 8))
    return exported(Attention(), arguments, ["ids", "keys", "values"], ["logits", "new_keys", "new_values"], axes)


def lstm():
    torch = pytest.importorskip("torch")
    axes = {"x": {0: "time", 1: "batch"}, "h": {1: "batch"}, "c": {1: "batch"}, "y": {0: "time", 1: "batch"}, "hn": {1: "batch"}, "cn": {1: "batch"}}  # fmt: skip
    arguments = (torch.zeros(3, 2, 4), (torch.zeros(1, 2, 8), torch.zeros(1, 2, 8)))
    return exported(torch.nn.LSTM(4, 8), arguments, ["x", "h", "c"], ["y", "hn", "cn"], axes)


def identity(kind):
    values = [helper.make_tensor_value_info(name, kind, ["n", "m"]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", values[:1], values[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()


def of_onnx(folder):
    """Return bytes and inputs of a model that `onnx` ships."""
    content = (folder / "model.onnx").read_bytes()
    inputs = [
        value.name for value in onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).get_inputs()
    ]
    files = [folder / f"test_data_set_0/input_{number}.pb" for number in range(len(inputs))]
    arrays = [onnx.numpy_helper.to_array(onnx.TensorProto.FromString(file.read_bytes())) for file in files]
    return content, dict(zip(inputs, arrays, strict=True))


RANDOM = np.random.default_rng(5)


def floats(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


MODELS = {
    "forest": (forest, {"X": floats(7, 4)}),
    "attention": (attention, {"ids": np.array([[1, 2, 3]]), "keys": floats(1, 2, 0, 8), "values": floats(1, 2, 0, 8)}),
    "lstm": (lstm, {"x": floats(5, 3, 4), "h": floats(1, 3, 8), "c": floats(1, 3, 8)}),
    "texts": (lambda: identity(TensorProto.STRING), {"x": np.array([["é", ""], ["NaN", "x"]], object)}),
    "numbers": (lambda: identity(TensorProto.FLOAT), {"x": np.array([[np.nan, np.inf, -np.inf]], np.float32)}),
    "bf16": (lambda: identity(TensorProto.BFLOAT16), {"x": np.array([[1.5, -2]], np.float32)}),
}

for name in OF_ONNX:
    content, given = of_onnx(SHIPPED / name)
    MODELS[name.rpartition("_")[2].lower()] = (partial(bytes, content), given)


@pytest.fixture(scope="module")
def running(state, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    (folder / "service.py").write_text(SERVICE)
    (folder / "policy.cedar").write_text('@id("all") permit (principal, action, resource);')
    shutil.copy(ROOT / "bentos/digits/schema.cedarschema", folder)
    settings = SETTINGS
    contents = {name: make() for name, (make, _) in MODELS.items()}
    for name, content in contents.items():
        (folder / name).mkdir()
        (folder / name / "model.onnx").write_bytes(content)
        done = state.cli(
            "artifact", "seal", folder / name, folder / f"{name}.sealed", "--name", name, "--version", 1,
            "--sign-with", f"file:{state.keys}/signing.key", "--recipient", state.keys / "recipient.key.pub",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        settings += f'[models.{name}]\nartifact = "{name}.sealed"\n'
    (folder / "governance.toml").write_text(settings)
    before = dict(state.environment)
    state.environment = {key: value for key, value in before.items() if "MODELS__" not in key}
    state.environment["GOVERNANCE_AUDIT__DIRECTORY"] = str(folder / "audit")
    try:
        with serving(state, "service:Models", cwd=folder) as service:
            service.contents = contents
            yield service
    finally:
        state.environment = before


def own_answers(content, inputs):
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    values = session.run(None, inputs)
    names = [output.name for output in session.get_outputs()]
    # ZipMap's dictionaries as a row of probabilities each.
    rows = [
        np.array([list(row.values()) for row in value], np.float32) if isinstance(value, list) else value
        for value in values
    ]
    return dict(zip(names, rows, strict=True))


def same(ours, theirs):
    if theirs.dtype.kind == "O":
        return [text.decode() if isinstance(text, bytes) else text for text in ours.ravel()] == theirs.ravel().tolist()
    return ours.shape == theirs.shape and np.allclose(
        ours.astype(theirs.dtype), theirs, rtol=1e-4, atol=1e-5, equal_nan=theirs.dtype.kind == "f"
    )


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "JSON"])
@pytest.mark.parametrize("name", list(MODELS))
def test_model_over_http_answers_like_onnx_runtime(running, name, binary):
    _, inputs = MODELS[name]
    is_bf16 = name == "bf16"
    theirs = {"y": inputs["x"]} if is_bf16 else own_answers(running.contents[name], inputs)
    kinds = {
        np.dtype(np.float32): "BF16" if is_bf16 else "FP32",
        np.dtype(np.int64): "INT64",
        np.dtype(object): "BYTES",
    }
    listed = []
    for key, array in inputs.items():
        given = tritonclient.http.InferInput(key, list(array.shape), kinds[array.dtype])
        if is_bf16 and not binary:
            pytest.skip("Triton's client has no BF16 in JSON")
        given.set_data_from_numpy(array.astype(ml_dtypes.bfloat16) if is_bf16 else array, binary_data=binary)
        listed.append(given)
    wanted = [tritonclient.http.InferRequestedOutput(key, binary_data=binary) for key in theirs]
    with tritonclient.http.InferenceServerClient(running.client.base_url.netloc.decode()) as client:
        result = client.infer(
            name, listed, outputs=wanted, headers={"authorization": running.client.headers["authorization"]}
        )
    for key, expected in theirs.items():
        assert same(result.as_numpy(key), expected), key


def test_bfloat16_in_json_over_http(running):
    body = {"inputs": [{"name": "x", "datatype": "BF16", "shape": [1, 2], "data": [1.5, -2]}]}
    reply = running.client.post("/v2/models/bf16/infer", json=body)
    assert reply.json()["outputs"] == [{"name": "y", "datatype": "BF16", "shape": [1, 2], "data": [1.5, -2.0]}]


def test_an_empty_batch_of_an_lstm_is_refused_and_the_worker_lives(running):
    tensors = {"x": [5, 0, 4], "h": [1, 0, 8], "c": [1, 0, 8]}
    body = {
        "inputs": [{"name": name, "datatype": "FP32", "shape": shape, "data": []} for name, shape in tensors.items()]
    }
    reply = running.client.post("/v2/models/lstm/infer", json=body)
    assert reply.status_code == 400 and "size of 0" in reply.json()["error"]
    assert running.client.get("/v2/models/lstm/ready").status_code == 200


def test_classes_of_the_export_are_those_of_the_card(running):
    names = [item["name"] for item in running.client.get("/v2/models/forest").json()["outputs"]]
    body = {
        "inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 4], "data": [[5.1, 3.5, 1.4, 0.2]]}],
        "outputs": [{"name": names[1], "parameters": {"classification": 1}}],
    }
    reply = running.client.post("/v2/models/forest/infer", json=body).json()
    assert reply["outputs"][0]["data"][0].endswith(":0:setosa")
