"""Runs every model that `onnx` ships as test data through the scan, the runtime and the protocol; a line for each.

It is a program of its own, so that a model that ends the process is seen: `python -m tests.runtime.onnx_models`. A line
is a JSON list: the name before the model is opened, and then `["answered"]` or the reason of a refusal. Answers in binary
and in JSON are compared with ONNX Runtime's own session; where that session cannot take the type, with the test data.
"""

import asyncio
import json
import logging
import os
import sys
import warnings
from pathlib import Path

import ml_dtypes
import msgspec
import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

from governance.artifacts.scan.limits import ScanLimits
from governance.artifacts.scan.scan import scan_graph
from governance.artifacts.scan.trial import try_graph
from governance.contract.routes import RouteTable
from governance.errors import GovernanceError
from governance.oip.elements import quoted_words
from governance.oip.messages import InputTensor
from governance.oip.routes import oip_routes
from governance.oip.server import OipServer
from governance.oip.shapes import TensorLimits
from governance.oip.tensors import array_from_binary, array_from_json, binary_from_array, json_from_array
from governance.runtime.model import open_model
from governance.runtime.session import Plan, place
from governance.runtime.signature import card_entries, signature_of
from governance.settings import RuntimeSettings
from governance.testing import make_exchange

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")
LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
PATH = "/v2/models/m/infer"
ROUTE = RouteTable(oip_routes(2**28)).match("POST", PATH).route


def cases():
    """Yield kind, name, bytes and data sets (inputs, outputs) of every model."""
    for kind in KINDS:
        for case in load_model_tests(kind=kind):
            if case.model is not None:
                yield kind, case.name, case.model.SerializeToString(), case.data_sets
            else:
                folder = Path(case.model_dir)
                yield kind, case.name, (folder / "model.onnx").read_bytes(), list(stored_data(folder))
    for path in sorted(LIGHT.glob("*.onnx")):
        yield "light", path.stem, path.read_bytes(), []


def stored_data(folder):
    for data in sorted(folder.glob("test_data_set_*")):
        yield [
            [
                onnx.TensorProto.FromString((data / f"{side}_{number}.pb").read_bytes())
                for number in range(len(list(data.glob(f"{side}_*"))))
            ]
            for side in ("input", "output")
        ]


def plain(array):
    """Return a tensor of the test data as this project holds it: BF16 as float32, texts as objects of `str`."""
    array = numpy_helper.to_array(array) if isinstance(array, onnx.TensorProto) else np.asarray(array)
    if array.dtype == ml_dtypes.bfloat16:
        return array.astype(np.float32)
    if array.dtype.kind in "OSU":
        texts = [item.decode() if isinstance(item, bytes) else str(item) for item in array.ravel().tolist()]
        return np.array([*texts, None], object)[:-1].reshape(array.shape)
    return array


def example(spec):
    generator = np.random.default_rng(1)
    return generator.random([max(size, 1) for size in spec.shape], np.float32)


def own_answers(content, model, inputs, outputs):
    """Return what ONNX Runtime's own session answers, or the outputs of the test data if it cannot take the type."""
    if any(spec.datatype == "BF16" for spec in (*model.inputs, *model.outputs)):
        return [plain(output) for output in outputs]
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


async def ask(server, model, inputs, binary):
    listed, tail = [], b""
    for spec in model.inputs:
        array = inputs[spec.name]
        entry = {"name": spec.name, "datatype": spec.datatype, "shape": list(array.shape)}
        if binary:
            raw = bytes(binary_from_array(array, spec.datatype))
            entry["parameters"], tail = {"binary_data_size": len(raw)}, tail + raw
        else:
            entry["data"] = json_from_array(array)
        listed.append(entry)
    head = msgspec.json.encode({"inputs": listed, "parameters": {"binary_data_output": binary}})
    headers = [(b"inference-header-content-length", str(len(head)).encode())] if binary else []
    made = make_exchange("POST", PATH, route=ROUTE, body=head + tail, headers=headers, model="m", version=None)
    reply = await server.answer(made)
    return list(answered(json.loads(bytes(reply.body[0])), b"".join(reply.body[1:])))


def answered(document, tail):
    for output in document["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        if size is None:
            data = msgspec.Raw(quoted_words(json.dumps(output["data"]).encode()))
            yield array_from_json(InputTensor(output["name"], output["shape"], output["datatype"], {}, data))
        else:
            raw, tail = tail[:size], tail[size:]
            yield array_from_binary(InputTensor(output["name"], output["shape"], output["datatype"]), memoryview(raw))


def verify_same(ours, theirs, is_random):
    for mine, own in zip(ours, map(plain, theirs), strict=True):
        if (mine.shape, mine.dtype) != (own.shape, own.dtype):
            raise AssertionError(f"{mine.shape} {mine.dtype} instead of {own.shape} {own.dtype}")
        if is_random:
            continue
        if mine.dtype.kind == "O":
            same = mine.tolist() == own.tolist()
        else:
            same = np.allclose(mine, own, rtol=1e-3 if mine.dtype.itemsize < 8 else 1e-6, atol=1e-6, equal_nan=mine.dtype.kind == "f")  # fmt: skip
        if not same:
            raise AssertionError("another answer than ONNX Runtime's own")


RANDOM = (
    "RandomNormal",
    "RandomUniform",
    "RandomNormalLike",
    "RandomUniformLike",
    "Bernoulli",
    "Multinomial",
    "Dropout",
)


def outcome(content, data_sets):
    """Return what became of a model: `["answered"]`, or where and why it was refused."""
    findings = list(scan_graph("model.onnx", memoryview(content), {}, ScanLimits()))
    if findings:
        return ["scan", str(findings[0])]
    trial = try_graph("model.onnx", content, {}, {})
    if trial.reason:
        return ["trial", trial.reason]
    try:
        model = opened(content, trial.empty_axes)
    except GovernanceError as error:
        return ["open", str(error)]
    server = OipServer("s", "1", {"m": model}, {"m": TensorLimits()})
    for inputs, outputs in data_sets or [([example(spec) for spec in model.inputs], None)]:
        feeds = {spec.name: plain(array) for spec, array in zip(model.inputs, inputs, strict=True)}
        try:
            theirs = own_answers(content, model, feeds, outputs)
        except Exception as error:
            theirs = error
        for binary in (True, False):
            try:
                ours = asyncio.run(ask(server, model, feeds, binary))
            except GovernanceError as error:
                # Only what ONNX Runtime itself refuses may be refused.
                return ["data" if isinstance(theirs, Exception) else "error", str(error)]
            if isinstance(theirs, Exception):
                raise theirs
            verify_same(ours, theirs, is_random(content))
    return ["answered"]


def opened(content, empty_axes):
    settings = RuntimeSettings()
    _, session = place(Plan(content, {}, settings), "m")
    found = signature_of(session, content, {})
    card = {"inputs": card_entries(found.inputs), "outputs": card_entries(found.outputs)}
    return open_model("m", 1, "sha256:x", content, card, settings, empty_axes=empty_axes)


def is_random(content):
    model = onnx.load_model_from_string(content)
    functions = [node for function in model.functions for node in function.node]
    return any(node.op_type in RANDOM for node in (*model.graph.node, *functions))


def main():
    warnings.simplefilter("ignore")
    logging.disable()
    for number, (kind, name, content, data_sets) in enumerate(cases()):
        print(json.dumps([number, kind, name]), flush=True)
        try:
            found = outcome(content, data_sets)
        except Exception as error:
            found = ["error", f"{type(error).__name__}: {error}"[:300]]
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)
