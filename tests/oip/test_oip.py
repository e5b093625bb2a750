"""The Open Inference Protocol: requests are checked, replies are correct, and a hostile body is refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from governance.access.policies.obligations import Obligations, OutputDetail
from governance.access.policies.verdict import Decision, Verdict
from governance.access.stop import KillSwitch
from governance.contract.facts import Inference, Usage
from governance.contract.routes import RouteTable
from governance.errors import BadRequestError, GovernanceError, NotFoundError, NotReadyError
from governance.oip.messages import InputTensor
from governance.oip.routes import oip_routes
from governance.oip.server import OipServer
from governance.oip.shapes import TensorLimits
from governance.oip.tensors import (
    NUMPY_TYPE_OF,
    array_from_binary,
    array_from_json,
    binary_from_array,
    json_from_array,
)
from governance.testing import make_exchange

ROUTES = RouteTable(oip_routes(10**6))
LIMITS = TensorLimits(max_batch=4)


class Spec:
    is_ranked, empty_axes = True, frozenset()

    def __init__(self, name, datatype, shape, is_batch=True):
        self.name, self.datatype, self.shape, self.is_batch = name, datatype, shape, is_batch


class Doubler:
    """A model that doubles its input and has the interface of a runtime model."""

    name, version, digest, platform, classes, ready = "m", "1", "sha256:x", "test", ("a", "b", "c"), True
    inputs = (Spec("x", "FP32", (-1, 3)),)
    outputs = (Spec("y", "FP32", (-1, 3)),)

    def items(self, inputs):
        return inputs["x"].shape[0]

    async def infer(self, inputs, items):
        return {"y": inputs["x"] * 2}, 0.001


def exchange(body=b"", path="/v2/models/m/infer", method="POST", length=None):
    match = ROUTES.match(method, path)
    headers = [] if length is None else [(b"inference-header-content-length", str(length).encode())]

    return make_exchange(
        method, path, route=match.route, body=body, headers=headers, model=match.model, version=match.version
    )


def server(limits=LIMITS, **changes):
    model = Doubler()
    for name, value in changes.items():
        setattr(model, name, value)
    return OipServer("s", "1", {"m": model}, {"m": limits})


async def ask(document, tail=b"", length=True, **changes):
    head = json.dumps(document).encode() if not isinstance(document, bytes) else document
    made = exchange(head + tail, length=len(head) if tail and length is True else None if length is True else length)
    reply = await server(**changes).answer(made)
    return made, reply


def tensor(**changes):
    return {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3], **changes}


async def test_oip_json_request_gets_json_reply():
    made, reply = await ask({"id": "7", "inputs": [tensor()]})
    document = json.loads(reply.body[0])
    assert document == {
        "model_name": "m",
        "model_version": "1",
        "id": "7",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 3], "data": [2.0, 4.0, 6.0]}],
    }
    assert made.require(Usage).items == 1


async def test_oip_inference_fact_holds_full_outputs_when_the_reply_is_limited():
    head = json.dumps({"inputs": [tensor()]}).encode()
    made = exchange(head)
    verdict = Verdict(True, ("p",), "d", obligations=Obligations(OutputDetail("label")))
    made.put(Decision(verdict, lambda classes: verdict))
    reply = await server().answer(made)
    inference = made.require(Inference)
    assert (inference.model, inference.inputs["x"].tolist()) == ("m", [[1, 2, 3]])
    assert inference.outputs["y"].tolist() == [[2, 4, 6]]
    assert json.loads(reply.body[0])["outputs"][0]["data"] != [2.0, 4.0, 6.0]
    assert "array" not in repr(inference)


@pytest.mark.parametrize("data", [[1, 2, 3], [[1, 2, 3]]])
async def test_oip_json_data_may_be_flat_or_nested(data):
    _, reply = await ask({"inputs": [tensor(data=data)]})
    assert json.loads(reply.body[0])["outputs"][0]["data"] == [2.0, 4.0, 6.0]


async def test_oip_binary_request_gets_binary_reply():
    raw = np.array([1, 2, 3], "<f4").tobytes()
    wanted = tensor(parameters={"binary_data_size": 12})
    del wanted["data"]
    _, reply = await ask({"inputs": [wanted], "parameters": {"binary_data_output": True}}, raw)
    head, tail = reply.body
    assert np.frombuffer(tail, "<f4").tolist() == [2, 4, 6]
    assert dict(reply.headers)[b"inference-header-content-length"] == str(len(head)).encode()
    assert json.loads(head)["outputs"][0]["parameters"] == {"binary_data_size": 12}


async def test_oip_classification_lists_the_most_likely_classes():
    _, reply = await ask({"inputs": [tensor()], "outputs": [{"name": "y", "parameters": {"classification": 2}}]})
    output = json.loads(reply.body[0])["outputs"][0]
    assert (output["datatype"], output["shape"]) == ("BYTES", [1, 2])
    assert output["data"] == ["6.000000:2:c", "4.000000:1:b"]


async def test_oip_nan_in_output_is_null_in_json_where_the_settings_replace_it():
    _, reply = await ask({"inputs": [tensor()]}, infer=nan, limits=TensorLimits(non_finite="replace"))
    assert json.loads(reply.body[0])["outputs"][0]["data"] == [None, None]


async def test_oip_nan_and_infinity_in_output_are_words_in_json():
    _, reply = await ask({"inputs": [tensor()]}, infer=nan)
    assert b'"data":[NaN,Infinity]' in reply.body[0]


async def test_oip_nan_in_output_is_refused_where_the_settings_refuse_it():
    with pytest.raises(BadRequestError, match="the output 'y' has a value that is not finite"):
        await ask({"inputs": [tensor()]}, infer=nan, limits=TensorLimits(non_finite="refuse"))


async def nan(inputs, items):
    return {"y": np.array([[np.nan, np.inf]], np.float32)}, 0.0


BAD = {
    "not JSON": b"{",
    "a list": [],
    "no inputs": {},
    "empty inputs": {"inputs": []},
    "nested deeply": b'{"inputs":' + b"[" * 10_000,
    "data nested deeply": b'{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":'
    + b"[" * 5000
    + b"]" * 5000
    + b"}]}",
    "another input": {"inputs": [tensor(name="z")]},
    "an input twice": {"inputs": [tensor(), tensor()]},
    "another type": {"inputs": [tensor(datatype="INT8")]},
    "an unknown type": {"inputs": [tensor(datatype="BF16")]},
    "another rank": {"inputs": [tensor(shape=[3])]},
    "another size": {"inputs": [tensor(shape=[1, 4])]},
    "a negative size": {"inputs": [tensor(shape=[-1, 3])]},
    "an empty batch": {"inputs": [tensor(shape=[0, 3], data=[])]},
    "too large a batch": {"inputs": [tensor(shape=[5, 3], data=[0] * 15)]},
    "a huge batch": {"inputs": [tensor(shape=[2**62, 3])]},
    "too few elements": {"inputs": [tensor(data=[1, 2])]},
    "a bool for a number": {"inputs": [tensor(data=[1, True, 3])]},
    "a text for a number": {"inputs": [tensor(data=["1", "2", "3"])]},
    "null": {"inputs": [tensor(data=None)]},
    "null in a list of integers": {"inputs": [tensor(datatype="INT8", data=[1, None, 3])]},
    "a number out of range": {"inputs": [tensor(data=[1e300, 0, 0])]},
    "NaN in a wrong place": b'{"inputs":[{"name":"x","shape":[1,NaN],"datatype":"FP32","data":[0,1,2]}]}',
    "half a word": b'{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[NaNa,1,2]}]}',
    "nested beyond its shape": {"inputs": [tensor(data=[[[1, 2, 3]]])]},
    "no data": {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32"}]},
    "a binary part that is missing": {"inputs": [tensor(parameters={"binary_data_size": 12})]},
    "shared memory": {"inputs": [tensor(parameters={"shared_memory_region": "r"})]},
    "an unknown output": {"inputs": [tensor()], "outputs": [{"name": "z"}]},
    "an output twice": {"inputs": [tensor()], "outputs": [{"name": "y"}, {"name": "y"}]},
    "a negative classification": {
        "inputs": [tensor()],
        "outputs": [{"name": "y", "parameters": {"classification": -1}}],
    },
    "a state": {"inputs": [tensor()], "parameters": {"sequence_id": 1}},
    "a long id": {"id": "x" * 300, "inputs": [tensor()]},
    "half a surrogate": b'{"id":"\\ud800","inputs":[]}',
    "not UTF-8": b'{"id":"\xff","inputs":[]}',
}


@pytest.mark.parametrize("what", list(BAD))
async def test_oip_invalid_body_is_refused(what):
    with pytest.raises(BadRequestError):
        await ask(BAD[what])


def binary(**parameters):
    return {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "parameters": parameters}]}


@pytest.mark.parametrize(
    ("document", "tail", "length"),
    [
        (binary(binary_data_size=12), b"x" * 11, True),
        (binary(binary_data_size=12), b"x" * 13, True),
        (binary(binary_data_size=11), b"x" * 12, True),
        (binary(binary_data_size=-12), b"x" * 12, True),
        (binary(binary_data_size=True), b"x", True),
        (binary(binary_data_size="12"), b"x" * 12, True),
        (binary(binary_data_size=12), b"x" * 12, 99_999),
        (binary(binary_data_size=12), b"x" * 12, "-5"),
        (binary(binary_data_size=12), b"x" * 12, "1e3"),
        ({"inputs": [tensor(parameters={"binary_data_size": 12})]}, b"x" * 12, True),
    ],
)
async def test_oip_wrong_binary_length_is_refused(document, tail, length):
    with pytest.raises(BadRequestError):
        await ask(document, tail, length)


@given(st.binary(max_size=200), st.integers(0, 60), st.sampled_from([None, 0, 40, 120, 10**9]))
def test_oip_mutated_body_gets_a_reply_or_a_refusal(noise, place, length):
    import asyncio

    good = json.dumps({"inputs": [tensor()]}).encode()
    body = good[:place] + noise + good[place + len(noise) // 2 :]
    try:
        reply = asyncio.run(server().answer(exchange(body, length=length)))
        json.loads(bytes(reply.body[0]))
    except GovernanceError:
        pass


@pytest.mark.parametrize("path", ["/v2/models/z/infer", "/v2/models/m/versions/2/infer"])
async def test_oip_unknown_model_or_version_is_not_found(path):
    with pytest.raises(NotFoundError):
        await server().answer(exchange(b"{}", path))


@pytest.mark.parametrize(
    ("path", "method"), [("/v2/models/m/infer", "POST"), ("/v2/models/m/ready", "GET"), ("/v2/health/ready", "GET")]
)
async def test_oip_model_that_is_not_ready_is_reported(path, method):
    with pytest.raises(NotReadyError):
        await server(ready=False).answer(exchange(b"{}", path, method))


async def test_oip_server_without_models_is_not_ready():
    with pytest.raises(NotReadyError):
        await OipServer("s", "1", {}, {}).answer(exchange(b"", "/v2/health/ready", "GET"))


numeric = st.sampled_from([name for name in NUMPY_TYPE_OF if name not in ("BYTES", "FP16", "BF16", "FP32", "FP64")])
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3)


@given(st.data(), numeric, shapes)
def test_oip_number_tensor_round_trips_in_json_and_binary(data, datatype, shape):
    array = data.draw(hnp.arrays(NUMPY_TYPE_OF[datatype], tuple(shape)))
    raw = memoryview(bytes(binary_from_array(array)))
    assert np.array_equal(array_from_binary(InputTensor("x", shape, datatype), raw), array)
    import msgspec

    as_json = msgspec.Raw(json.dumps(json_from_array(array)).encode())
    assert np.array_equal(array_from_json(InputTensor("x", shape, datatype, {}, as_json)), array)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=5), min_size=1, max_size=5))
def test_oip_text_tensor_round_trips_in_json_and_binary(texts):
    array = np.array([*texts, None], dtype=object)[:-1]
    raw = memoryview(bytes(binary_from_array(array)))
    assert array_from_binary(InputTensor("x", [len(texts)], "BYTES"), raw).tolist() == texts
    assert json_from_array(array) == texts


async def test_oip_refuses_a_repeated_length_of_the_json_part():
    one = exchange(b"{}", length=2)
    one.headers = [*one.headers, *one.headers]
    with pytest.raises(BadRequestError, match="inference-header-content-length occurs more than once"):
        await server().answer(one)


@pytest.mark.parametrize("path", ["/v2/health/ready", "/v2/models/m/ready"])
async def test_oip_model_that_is_stopped_or_a_worker_that_ends_is_not_ready(path):
    class Switch:
        def __init__(self, *stopped):
            self.stopped = stopped

        def stops(self, model):
            return model in self.stopped

    async def status(switch=None, ending=False):
        one = OipServer("s", "1", {"m": Doubler()}, {"m": LIMITS}, lambda: ending)
        made = exchange(path=path, method="GET")
        if switch is not None:
            made._facts[KillSwitch] = switch
        return (await one.answer(made)).status

    assert await status() == await status(Switch("other")) == 200
    for refused in (status(Switch("m")), status(ending=True)):
        with pytest.raises(NotReadyError):
            await refused


def binary_request(*numbers, head_changes=None, **changes):
    tensor = {"name": "x", "shape": [len(numbers) // 3, 3], "datatype": "FP32"}
    tensor["parameters"] = {"binary_data_size": 4 * len(numbers)}
    document = {"inputs": [tensor | changes], "parameters": {"binary_data_output": True}} | (head_changes or {})
    head = json.dumps(document).encode()
    return head, np.array(numbers, np.float32).tobytes()


async def send_binary(server, head, tail, verdict=None):
    sent = exchange(head + tail, length=len(head))
    if verdict is not None:
        sent.put(verdict)
    return sent, await server.answer(sent)


async def test_head_that_was_sent_before_gets_the_same_answer_for_other_numbers():
    known = OipServer("s", "1", {"m": Doubler()}, {"m": LIMITS}, lambda: False)
    for numbers in ((1, 2, 3), (4, 5, 6), (float("nan"), 8, 9), (1, 2, 3, 4, 5, 6)):
        head, tail = binary_request(*numbers)
        sent, reply = await send_binary(known, head, tail)
        other = OipServer("s", "1", {"m": Doubler()}, {"m": LIMITS}, lambda: False)
        _, expected = await send_binary(other, head, tail)
        assert (reply.status, reply.headers) == (expected.status, expected.headers)
        assert b"".join(reply.body) == b"".join(expected.body)
        assert sent.require(Usage).items == len(numbers) // 3
        assert sent.require(Inference).inputs["x"].shape == (len(numbers) // 3, 3)
    assert len(known._heads._memo) == 2


async def test_head_that_was_sent_before_is_refused_with_a_tail_of_another_length():
    server = OipServer("s", "1", {"m": Doubler()}, {"m": LIMITS}, lambda: False)
    head, tail = binary_request(1, 2, 3)
    await send_binary(server, head, tail)
    for wrong in (tail[:-1], tail + b"x", b""):
        with pytest.raises(BadRequestError):
            await send_binary(server, head, wrong)


async def test_head_that_was_sent_before_gets_the_detail_that_each_policy_permits():
    server = OipServer("s", "1", {"m": Doubler()}, {"m": LIMITS}, lambda: False)
    head, tail = binary_request(1, 2, 3)
    full = (await send_binary(server, head, tail))[1]
    rule = Decision(Verdict(True, (), "x", (), Obligations(OutputDetail("label"))), lambda classes: None)
    label = (await send_binary(server, head, tail, rule))[1]
    assert np.frombuffer(b"".join(full.body[1:]), np.float32).tolist() == [2, 4, 6]
    assert np.frombuffer(b"".join(label.body[1:]), np.float32).tolist() == [0, 0, 1]
    assert rule.fulfilled


@pytest.mark.parametrize(
    "changes",
    [
        {"head_changes": {"id": "Ada"}},
        {"head_changes": {"parameters": {"binary_data_output": True, "note": "Ada"}}},
        {"head_changes": {"patient": "Ada"}},
        {"parameters": {"binary_data_size": 12, "note": "Ada"}},
        {"note": "Ada"},
        {"head_changes": {"outputs": [{"name": "y", "parameters": {"binary_data": True, "note": "Ada"}}]}},
        {"head_changes": {"outputs": [{"name": "y", "parameters": {"binary_data": False}}]}},
        {"head_changes": {"outputs": [{"name": "y", "parameters": {"classification": 1}}]}},
    ],
)
async def test_head_with_words_of_the_caller_is_not_remembered(changes):
    server = OipServer("s", "1", {"m": Doubler()}, {"m": LIMITS}, lambda: False)
    await send_binary(server, *binary_request(1, 2, 3, **changes))
    assert len(server._heads._memo) == 0
