"""Values of tensors: NaN and infinities, nested lists, BF16, empty tensors, and classification of every type."""

import json

import ml_dtypes
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from governance.errors import BadRequestError
from governance.oip.classification import classified
from governance.oip.elements import quoted_words
from governance.oip.messages import InputTensor, parse_infer_request
from governance.oip.shapes import TensorLimits, verify_shape
from governance.oip.tensors import NUMPY_TYPE_OF, array_from_binary, array_from_json, binary_from_array, json_from_array
from governance.runtime.signature import TensorSpec

FLOATS = ("FP16", "BF16", "FP32", "FP64")


def read(data, shape, datatype="FP32"):
    """Return the array of a request's only tensor, from a body with this text as `data`."""
    body = f'{{"inputs":[{{"name":"x","shape":{json.dumps(shape)},"datatype":"{datatype}","data":{data}}}]}}'
    request, _ = parse_infer_request(body.encode(), None)
    return array_from_json(request.inputs[0])


@pytest.mark.parametrize("datatype", FLOATS)
@pytest.mark.parametrize("data", ["[NaN, Infinity, -Infinity, 1]", '["NaN", "Infinity", "-Infinity", 1]', "[[NaN, Infinity], [-Infinity, 1]]"])  # fmt: skip
def test_json_has_nan_and_infinities_as_words_or_strings_in_every_float(datatype, data):
    array = read(data, [2, 2], datatype)
    assert np.isnan(array[0, 0])
    assert array.ravel().tolist()[1:] == [np.inf, -np.inf, 1]
    written = json.loads(msgspec.json.encode(json_from_array(array)))
    assert np.isnan(written[0]) and written[1:] == [np.inf, -np.inf, 1]


@pytest.mark.parametrize("datatype", FLOATS)
def test_json_null_is_nan_in_every_float(datatype):
    assert np.isnan(read("[null, 1]", [2], datatype)).tolist() == [True, False]


@pytest.mark.parametrize("datatype", [name for name in NUMPY_TYPE_OF if name not in FLOATS])
@pytest.mark.parametrize("word", ["null", "NaN", "Infinity", "-Infinity"])
def test_json_nan_and_null_are_refused_where_the_type_has_none(datatype, word):
    if datatype == "BYTES" and word != "null":
        assert read(f'["{word}"]', [1], datatype).tolist() == [word]
        return
    with pytest.raises(BadRequestError, match=rf"input 'x' \({datatype}\)"):
        read(f"[{word}]", [1], datatype)


@pytest.mark.parametrize("text", ["a NaN", 'say "NaN"', "\\", 'Infinity\\"', "-Infinity"])
def test_words_inside_of_strings_stay(text):
    document = json.dumps({"id": text, "data": [text]})
    assert quoted_words(document.encode()).decode() == document
    assert json.loads(quoted_words(document.replace("]", ", NaN]").encode()))["data"] == [text, "NaN"]


@given(st.recursive(st.one_of(st.text(), st.floats(), st.integers(), st.none()), st.lists, max_leaves=20))
def test_quoted_words_make_strict_json_of_any_document(document):
    strict = json.loads(quoted_words(json.dumps(document).encode()), parse_constant=pytest.fail)
    assert json.dumps(strict).replace('"', "") == json.dumps(document).replace('"', "")


@pytest.mark.parametrize(
    ("data", "shape", "place"),
    [
        ("[[1, 2, 3], [4, 5]]", [2, 3], r"data\[1\] is expected to have 3 elements, and is 2 elements"),
        ("[[1, 2], [3, 4], [5, 6]]", [2, 3], r"data is expected to have 2 elements, and is 3 elements"),
        ("[[[1], [2]], [[3, 4], [5]]]", [2, 2, 1], r"data\[1\]\[0\] is expected to have 1 elements, and is 2 elements"),
        ("[[1, 2], 3]", [2, 2], r"data\[1\] is expected to have 2 elements, and is no list"),
        ("[1, [2]]", [2], r"data\[1\] is a list, so data is nested deeper"),
        ("[[1, 2, 3, 4], [5, 6, 7, 8]]", [2, 2, 2], r"data\[0\] is expected to have 2 elements, and is 4 elements"),
        ("7", [1], "data is not a list"),
        ("{}", [1], "data is not a list"),
    ],
)  # fmt: skip
def test_ragged_transposed_or_half_nested_data_is_refused_with_the_place(data, shape, place):
    with pytest.raises(BadRequestError, match=place):
        read(data, shape)


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)))
def test_nested_and_flat_data_of_any_shape_are_read_alike_with_sizes_of_0_and_scalars(array):
    shape = list(array.shape)
    nested = read(json.dumps(array.tolist()), shape)
    flat = read(json.dumps(array.ravel().tolist()), shape)
    assert nested.shape == flat.shape == array.shape
    assert np.array_equal(nested, array, equal_nan=True) and np.array_equal(flat, array, equal_nan=True)
    raw = memoryview(bytes(binary_from_array(array)))
    assert array_from_binary(InputTensor("x", shape, "FP32"), raw).tobytes() == array.tobytes()


@pytest.mark.parametrize("datatype", list(NUMPY_TYPE_OF))
def test_empty_tensor_of_every_type_passes_in_json_and_binary(datatype):
    array = read("[]", [1, 8, 0, 64], datatype)
    assert array.shape == (1, 8, 0, 64)
    raw = bytes(binary_from_array(array, datatype))
    assert raw == b""
    assert array_from_binary(InputTensor("x", [1, 8, 0, 64], datatype), memoryview(raw)).shape == (1, 8, 0, 64)
    assert json_from_array(array) == []


@given(st.lists(st.integers(0, 2**16 - 1), min_size=1, max_size=20))
def test_every_bfloat16_survives_binary_and_json(bits):
    numbers = np.array(bits, "<u2").view(ml_dtypes.bfloat16)
    array = array_from_binary(InputTensor("x", [len(bits)], "BF16"), memoryview(numbers.tobytes()))
    assert array.dtype == np.float32
    assert np.array_equal(array, numbers.astype(np.float32), equal_nan=True)
    back = np.frombuffer(binary_from_array(array, "BF16"), ml_dtypes.bfloat16)
    assert np.array_equal(back.astype(np.float32), array, equal_nan=True)
    assert np.array_equal(read(json.dumps(array.tolist()), [len(bits)], "BF16"), array, equal_nan=True)


def test_bfloat16_in_json_is_rounded_and_refused_out_of_range():
    assert read("[1.005]", [1], "BF16").tolist() == [1.0078125]
    with pytest.raises(BadRequestError, match="out of the range of BF16"):
        read("[3.4e38]", [1], "BF16")


@pytest.mark.parametrize(
    ("scores", "texts"),
    [
        (np.array([0, 5, 3], np.uint8), ["5:1:b", "3:2:c", "0:0:a"]),
        (np.array([0, 5, 2**64 - 1], np.uint64), [f"{2**64 - 1}:2:c", "5:1:b", "0:0:a"]),
        (np.array([-128, 127, 0], np.int8), ["127:1:b", "0:2:c", "-128:0:a"]),
        (np.array([-(2**63), 2**63 - 1, 0], np.int64), [f"{2**63 - 1}:1:b", "0:2:c", f"{-(2**63)}:0:a"]),
        (np.array([False, True, False]), ["1:1:b", "0:0:a", "0:2:c"]),
        (np.array([0.5, 2, -1], np.float16), ["2.000000:1:b", "0.500000:0:a", "-1.000000:2:c"]),
        (np.array([np.nan, 1, np.inf], np.float32), ["inf:2:c", "1.000000:1:b", "nan:0:a"]),
        (np.array([np.nan, -np.inf, np.nan], np.float64), ["-inf:1:b", "nan:0:a", "nan:2:c"]),
        (np.array([1, 1, 1], np.float32), ["1.000000:0:a", "1.000000:1:b", "1.000000:2:c"]),
        (np.array([2, 7, 7], np.uint16), ["7:1:b", "7:2:c", "2:0:a"]),
    ],
)
def test_classification_ranks_every_type_with_ties_in_order_and_nan_last(scores, texts):
    assert classified(scores, 3, ("a", "b", "c")).tolist() == texts
    assert classified(np.stack([scores, scores]), 2, ("a", "b", "c")).tolist() == [texts[:2]] * 2


def test_classification_of_texts_is_refused():
    with pytest.raises(BadRequestError, match="holds texts"):
        classified(np.array(["a", "b"], object), 1, ())


@pytest.mark.parametrize(
    ("shape", "expected"), [((), (1,)), ((0,), (0,)), ((2, 0), (2, 0)), ((0, 3), (0, 2)), ((3,), (2,))]
)
def test_classification_of_scalars_and_empty_tensors_has_a_shape(shape, expected):
    assert classified(np.zeros(shape, np.float32), 2, ()).shape == expected


CACHE = TensorSpec("x", "FP32", (-1, 8, -1, 64), is_batch=True, empty_axes=frozenset({2}))
SOUND = TensorSpec("x", "FP32", (-1,))
ANY_RANK = TensorSpec("x", "FP32", (), is_ranked=False)


@pytest.mark.parametrize(
    ("spec", "shape"),
    [(CACHE, [4, 8, 0, 64]), (CACHE, [1, 8, 7, 64]), (SOUND, [100]), (ANY_RANK, []), (ANY_RANK, [2, 3])],
)
def test_shape_of_the_model_is_taken(spec, shape):
    verify_shape(InputTensor("x", shape, "FP32"), spec, TensorLimits(max_batch=4, max_elements=20_000))


@pytest.mark.parametrize(
    ("spec", "shape", "says"),
    [
        (CACHE, [5, 8, 0, 64], "a batch of 5 is over the limit of 4 items"),
        (CACHE, [0, 8, 0, 64], "expected shape"),
        (CACHE, [1, 0, 0, 64], "expected shape"),
        (CACHE, [-1, 8, 1, 64], "expected shape"),
        (CACHE, [1, 8, -1, 64], "expected shape"),
        (CACHE, [1, 8, 2**39, 64], "over the limit of 20000 elements"),
        (SOUND, [0], "the model was not tried with a size of 0 there"),
        (SOUND, [20_001], "over the limit of 20000 elements"),
        (SOUND, [1, 1], "expected shape"),
        (ANY_RANK, [200, 200], "over the limit of 20000 elements"),
        (ANY_RANK, [0, 2**20], "expected shape"),
        (ANY_RANK, [-1], "expected shape"),
        (ANY_RANK, [1] * 40, "expected shape"),
    ],
)
def test_shape_beyond_the_model_or_the_limits_is_refused(spec, shape, says):
    with pytest.raises(BadRequestError, match=says):
        verify_shape(InputTensor("x", shape, "FP32"), spec, TensorLimits(max_batch=4, max_elements=20_000))
