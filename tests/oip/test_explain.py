"""A wrong inference request is refused with what is wrong and where, whatever is wrong with it."""

import json

import pytest

from governance.errors import BadRequestError
from governance.oip.messages import parse_infer_request
from tests.oip.test_oip import ask, tensor

DEEP = b'{"inputs":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
GOOD = {"inputs": [tensor()]}
SPACED = b'{"inputs" :[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,3]}],"id":":"}'


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('{"inputs": []}'.encode("utf-16"), "UTF-16"),
        (b"\x1f\x8b\x08\x00", "gzip: say so with Content-Encoding"),
        (b'{"inputs": [\xff]}', "byte 12 is not UTF-8"),
        (b'{"inputs": [}', "not JSON: Expecting value at line 1, column 13"),
        (b"{'inputs': []}", "not JSON: .* line 1, column 2"),
        (b'{"inputs": []', "not JSON: .* line 1, column 14"),
        (DEEP, "nested too deeply"),
        (b"[]", "expected an object with 'inputs', got a list"),
        (b"null", "got null"),
        (b"{}", "the body has no 'inputs'$"),
        (b'{"input": []}', "the body has no 'inputs', but 'input'"),
        ({"inputs": {}}, "inputs: expected a list, got an object"),
        ({"inputs": [1]}, r"inputs\[0\]: expected an object, got a number"),
        ({"inputs": []}, "these inputs are missing: 'x'"),
        ({"inputs": [tensor(), tensor(name=4)]}, r"inputs\[1\].name: expected a string, got a number"),
        ({"inputs": [tensor(shape=[1, "3"])]}, r"inputs\[0\].shape\[1\]: expected an integer, got a string"),
        ({"inputs": [tensor(shape=3)]}, r"inputs\[0\].shape: expected a list, got a number"),
        ({"inputs": [{"name": "x", "shape": [1, 3], "dtype": "FP32"}]}, r"inputs\[0\] has no 'datatype', but 'dtype'"),
        ({**GOOD, "outputs": [{"nam": "y"}]}, r"outputs\[0\] has no 'name', but 'nam'"),
        ({**GOOD, "parameters": []}, "parameters: expected an object, got a list"),
        ({**GOOD, "id": 7}, "id: expected a string, got a number"),
        (b'{"inputs":[],"id":"a\\ud800b"}', "id: half a surrogate pair"),
        (b'{"inputs":[],"parameters":{"n":1' + b"0" * 40 + b',"e":1e999}}', r"inputs are missing|parameters.n: .*too large"),
        (b'{"inputs":[{"name":"x","shape":[1e999],"datatype":"FP32"}]}', r"shape\[0\]"),
        (b'{"id":"1","inputs":[],"id":"2"}', "the member 'id' twice"),
        (SPACED[:-1] + b',"inputs" :[]}', "the member 'inputs' twice"),
        (b'{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,3],"name":"y"}]}', "'name' twice"),
        (b'{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,3]}],"parameters":{"a":1,"\\u0061":2}}', "'a' twice"),
    ],
)  # fmt: skip
async def test_wrong_body_is_refused_with_what_is_wrong_and_where(body, says):
    with pytest.raises(BadRequestError, match=says):
        await ask(body)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ([1, "2", 3], r"inputs\[0\].data\[1\]: expected a number, got a string, in input 'x' \(FP32\)"),
        ([[1, 2, True]], r"inputs\[0\].data\[0\]\[2\]: expected a number, got a boolean"),
        ([1, 2, {}], r"inputs\[0\].data\[2\]: expected a number, got an object"),
        ("123", "data is not a list, but a string"),
        ({"a": 1}, "data is not a list, but an object"),
        ([1, 2], "expected 3 elements, received 2"),
        ([[1, 2], [3]], "inputs\\[0\\].data is expected to have 1 elements, and is 2"),
    ],
)
async def test_wrong_element_is_refused_with_its_place(data, says):
    with pytest.raises(BadRequestError, match=says):
        await ask({"inputs": [tensor(data=data)]})


async def test_huge_numbers_and_half_characters_in_data_are_refused_with_their_place():
    head = b'{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,%s]}]}'
    for number in (b"1e999", b"-1e999", b"1" + b"0" * 400):
        with pytest.raises(BadRequestError, match=r"inputs\[0\].data\[2\]: the number is too large"):
            await ask(head % number)
    with pytest.raises(BadRequestError, match=r"inputs\[0\].data\[2\]: half a surrogate pair"):
        await ask(head % b'"\\ud800"')


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"inputs": [tensor(name="X")]}, "there is no input 'X', the model has 'x'; did you mean 'x'"),
        ({"inputs": [tensor(), tensor()]}, "the input 'x' occurs more than once"),
        ({**GOOD, "outputs": [{"name": "yy"}]}, "there is no output 'yy', the model has 'y'; did you mean 'y'"),
        ({**GOOD, "outputs": [{"name": "y"}, {"name": "y"}]}, "the output 'y' occurs more than once"),
        ({"inputs": [tensor(datatype="FP3")]}, "expected datatype FP32, received FP3"),
        ({"inputs": [tensor(shape=[1, 4])]}, r"expected shape \[-1, 3\], received \[1, 4\]"),
    ],
)
async def test_wrong_name_type_or_shape_is_refused_with_the_right_one(change, says):
    with pytest.raises(BadRequestError, match=says):
        await ask(change)


async def test_name_that_is_not_printable_or_very_long_is_cut_in_the_sentence():
    with pytest.raises(BadRequestError) as caught:
        await ask({"inputs": [tensor(name="\r\n" + "x" * 5000)]})
    assert len(str(caught.value)) < 120 and "\n" not in str(caught.value)


@pytest.mark.parametrize("body", [SPACED, json.dumps({**GOOD, "id": 'a":b', "other": {"id": 1}}, indent=1).encode()])
def test_spaces_other_members_and_colons_in_texts_are_no_repetition(body):
    assert parse_infer_request(body, None)[0].inputs[0].name == "x"


@pytest.mark.parametrize("length", ["", "-1", "1.5", "0x10", "9" * 30, "\u0663"])
def test_length_of_the_json_part_that_is_no_number_is_refused(length):
    with pytest.raises(BadRequestError, match="is not a number of bytes"):
        parse_infer_request(b"{}", length)


def test_length_of_the_json_part_beyond_the_body_is_refused_with_both():
    with pytest.raises(BadRequestError, match="is 3, and the whole body has 2 bytes"):
        parse_infer_request(b"{}", "3")
