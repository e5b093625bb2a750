"""Tensors: declared columns change and nothing else does, in JSON and in bytes; values that do not fit are refused."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import BadRequestError, ConfigurationError
from governance.privacy.change.context import Context
from governance.privacy.change.operators import Operator
from governance.privacy.request.tensors import TensorColumn, change_columns, change_tensors

KEY = Context(b"k" * 32, "s")


def column(number, operator, tensor="x"):
    return TensorColumn(tensor, number, Operator.parse(operator))


def as_json(array, datatype, **more):
    return {"name": "x", "shape": list(array.shape), "datatype": datatype, "data": array.ravel().tolist(), **more}


def as_binary(array, datatype, raw):
    return {"name": "x", "shape": list(array.shape), "datatype": datatype, "parameters": {"binary_data_size": len(raw)}}


def change(tensor, tail=b"", *columns, anonymize=None):
    document = {"inputs": [tensor]}
    changed, operators, entities = change_tensors(document, memoryview(tail), columns, KEY, anonymize)
    return document["inputs"][0], changed, operators, entities


@pytest.mark.parametrize(("datatype", "kind"), [("FP32", "<f4"), ("FP64", "<f8"), ("INT64", "<i8"), ("UINT8", "u1")])
def test_change_tensors_changes_json_and_binary_tensors_alike(datatype, kind):
    array = np.array([[42, 7, 99], [35, 8, 101]], kind)
    columns = [column(0, "bucket:10"), column(2, "drop")]
    tensor, _, operators, _ = change(as_json(array, datatype), b"", *columns)
    assert tensor["data"] == [40, 7, 0, 30, 8, 0] and operators == {"bucket": 1, "drop": 1}
    tensor, tail, _, _ = change(as_binary(array, datatype, array.tobytes()), array.tobytes(), *columns)
    assert np.frombuffer(tail, kind).tolist() == [40, 7, 0, 30, 8, 0]
    assert tensor["parameters"]["binary_data_size"] == len(tail)


def test_change_tensors_updates_the_sizes_of_bytes_tensors():
    values = [b"94105", b"keep", b"10115", "ä".encode()]
    raw = b"".join(struct.pack("<I", len(value)) + value for value in values)
    tensor, tail, _, _ = change(as_binary(np.empty((2, 2)), "BYTES", raw), raw, column(0, "truncate:3"))
    expected = [b"941", b"keep", b"101", "ä".encode()]
    assert tail == b"".join(struct.pack("<I", len(value)) + value for value in expected)
    assert tensor["parameters"]["binary_data_size"] == len(tail)
    array = np.array([["94105", "keep"]], object)
    assert change(as_json(array, "BYTES"), b"", column(0, "truncate:3"))[0]["data"] == ["941", "keep"]


def test_change_columns_changes_a_whole_tensor():
    assert change(as_json(np.array([42, 57]), "INT32"), b"", column(None, "bucket:10"))[0]["data"] == [40, 50]


def test_change_columns_noise_does_not_depend_on_the_batch():
    array = np.array([[1.5, 2.5], [3.5, 4.5]], np.float32)
    trained = change_columns(array, [column(1, "noise:0.5")], KEY)
    served = np.array(change(as_json(array[1:], "FP32"), b"", column(1, "noise:0.5"))[0]["data"], np.float32)
    assert served.tobytes() == trained[1:].tobytes() and (trained[:, 1] != array[:, 1]).all()
    assert array[0, 1] == 2.5


@pytest.mark.parametrize("operator", ["hash", "token", "ff1", "surrogate", "shift-date", "mask", "truncate"])
def test_change_columns_refuses_text_operators_on_numbers(operator):
    with pytest.raises(ConfigurationError, match="holds numbers"):
        change(as_json(np.zeros((1, 2)), "FP32"), b"", column(0, operator))


@pytest.mark.parametrize(
    ("tensor", "tail"),
    [
        ({"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [1, 2]}, b""),
        ({"name": "x", "shape": [1, 1], "datatype": "FP32", "data": ["1"]}, b""),
        ({"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [True]}, b""),
        ({"name": "x", "shape": [1, 1], "datatype": "FP32"}, b""),
        ({"name": "x", "shape": [1, 1], "datatype": "INT64", "data": [1.5]}, b""),
        ({"name": "x", "shape": [1, 1], "datatype": "UINT8", "data": [-1]}, b""),
        ({"name": "x", "shape": [1, 1], "datatype": "INT64", "data": [10**30]}, b""),
        ({"name": "x", "shape": [1, -1], "datatype": "FP32", "data": [1]}, b""),
        ({"name": "x", "shape": "1", "datatype": "FP32", "data": [1]}, b""),
        ({"name": "x", "shape": [1, 1], "datatype": "BF16", "data": [1]}, b""),
        ({"name": "x", "shape": [1, 1], "datatype": [], "data": [1]}, b""),
        ({"name": "x", "shape": [1, 0], "datatype": "FP32", "data": []}, b""),
        ({"name": "x", "shape": [1, 1], "datatype": "FP32", "parameters": {"binary_data_size": 4}}, b"abc"),
        ({"name": "x", "shape": [1, 1], "datatype": "FP32", "parameters": {"binary_data_size": 8}}, b"abcdefgh"),
        ({"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [1]}, b"unclaimed"),
        (
            {"name": "x", "shape": [1, 1], "datatype": "FP32", "parameters": {"binary_data_size": 4}},
            struct.pack("<f", float("nan")),
        ),
        ("x", b""),
    ],
)
def test_change_tensors_refuses_values_that_do_not_fit_shape_and_type(tensor, tail):
    with pytest.raises(BadRequestError):
        change(tensor, tail, column(0, "bucket:10"))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "shape", "datatype", "data", "parameters", "binary_data_size"]), inner, max_size=5), max_leaves=12), st.binary(max_size=12))  # fmt: skip
def test_change_tensors_raises_only_bad_request_errors(tensors, tail):
    document = {"inputs": [*(tensors if isinstance(tensors, list) else [tensors]), {"name": "x"}]}
    try:
        change_tensors(json.loads(json.dumps(document)), memoryview(tail), [column(0, "bucket:10")], KEY, None)
    except BadRequestError:
        return
