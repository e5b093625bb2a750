"""Packing: large tensors move into one file, aligned, and the outputs of the model stay the same."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from governance.artifacts.format.packing import ALIGNMENT_BYTES, external_fields, pack_models
from governance.artifacts.format.sources import bytes_source, read_folder
from governance.errors import ConfigurationError

RNG = np.random.default_rng(3)


def model(weights):
    names = list(weights)
    nodes = [helper.make_node("MatMul", ["x" if i == 0 else f"t{i}", name], ["y" if i == len(names) - 1 else f"t{i + 1}"]) for i, name in enumerate(names)]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 301])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "m"])],
        [numpy_helper.from_array(weight, name) for name, weight in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def large():
    return model(
        {"a": RNG.normal(size=(301, 1001)).astype(np.float32), "b": RNG.normal(size=(1001, 3)).astype(np.float32)}
    )


def written(folder, made, **options):
    folder.mkdir(exist_ok=True)
    onnx.save(made, folder / "model.onnx", **options)
    return read_folder(folder)


def run_packed(files):
    contents = {file.path: file.content() for file in files}
    options = onnxruntime.SessionOptions()
    data = {path: content for path, content in contents.items() if path.endswith(".data")}
    options.add_external_initializers_from_files_in_memory(
        list(data), list(data.values()), [len(c) for c in data.values()]
    )
    session = onnxruntime.InferenceSession(contents["model.onnx"], options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": np.ones((2, 301), np.float32)})[0]


def test_packing_moves_large_tensors_out_aligned_and_keeps_the_outputs(tmp_path):
    made = large()
    packed = pack_models(written(tmp_path / "m", made))
    assert [file.path for file in packed] == ["model.onnx", "model.onnx.data"]
    graph = onnx.load_model_from_string(packed[0].content()).graph
    for tensor in graph.initializer:
        fields = external_fields(tensor)
        assert fields["location"] == "model.onnx.data" and int(fields["offset"]) % ALIGNMENT_BYTES == 0
    plain = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    assert np.array_equal(run_packed(packed), plain.run(None, {"x": np.ones((2, 301), np.float32)})[0])


def test_packing_keeps_a_small_model_byte_for_byte(tmp_path):
    made = model({"a": np.ones((301, 4), np.float32)})
    files = written(tmp_path / "m", made)
    assert pack_models(files) == files


def test_packing_packs_external_data_again_and_drops_its_old_file(tmp_path):
    made = large()
    expected = run_packed(pack_models(written(tmp_path / "one", made)))
    files = written(
        tmp_path / "two", large_from(made), save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    assert [file.path for file in files] == ["model.onnx", "weights.bin"]
    packed = pack_models(files)
    assert [file.path for file in packed] == ["model.onnx", "model.onnx.data"]
    assert np.array_equal(run_packed(packed), expected)


def large_from(made):
    copy = onnx.ModelProto()
    copy.CopyFrom(made)
    return copy


def test_packing_keeps_typed_and_half_precision_values(tmp_path):
    values = RNG.normal(size=(600, 600)).astype(np.float32)
    tensor = helper.make_tensor("a", TensorProto.FLOAT, [600, 600], values.ravel().tolist())
    half = numpy_helper.from_array(values.astype(np.float16), "h")
    made = model({"a": np.ones((2, 2), np.float32)})
    del made.graph.initializer[:]
    made.graph.initializer.extend([tensor, half])
    graph_file, data_file = pack_models(written(tmp_path / "m", made))
    content = data_file.content()
    for tensor, expected in zip(onnx.load_model_from_string(graph_file.content()).graph.initializer, (values, values.astype(np.float16)), strict=True):  # fmt: skip
        fields = {key: int(value) for key, value in external_fields(tensor).items() if key != "location"}
        raw = content[fields["offset"] : fields["offset"] + fields["length"]]
        assert np.array_equal(np.frombuffer(raw, expected.dtype).reshape(expected.shape), expected)


def test_packing_keeps_data_that_two_models_share(tmp_path):
    made = large()
    folder = tmp_path / "m"
    written(folder, made, save_as_external_data=True, location="shared.bin", size_threshold=0)
    (folder / "other.onnx").write_bytes((folder / "model.onnx").read_bytes())
    files = read_folder(folder)
    assert pack_models(files) == files


def test_packing_refuses_external_data_outside_the_folder_or_beyond_its_end(tmp_path):
    made = large()
    for location, length, says in (
        ("absent.bin", str(2**21), "not in the folder"),
        ("model.onnx", str(2**40), "beyond the end"),
    ):
        tensor = made.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.ClearField("external_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("length", length)):
            tensor.external_data.add(key=key, value=value)
        with pytest.raises(ConfigurationError, match=says):
            pack_models([bytes_source("model.onnx", made.SerializeToString())])


def test_packing_refuses_what_is_not_a_model():
    with pytest.raises(ConfigurationError, match="not an ONNX model"):
        pack_models([bytes_source("model.onnx", b"\xff\xff\xff")])
