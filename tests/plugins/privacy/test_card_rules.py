"""The privacy plugin and the signed card: a contradiction stops the start; otherwise columns change as the card says."""

import json

import numpy as np
import pytest

from governance.access.callers.caller import Caller
from governance.access.policies.verdict import Decision, Verdict
from governance.contract.models import ModelLoad
from governance.errors import ConfigurationError
from governance.gate.pipeline import Pipeline
from governance.plugins.privacy.plugin import PrivacyPlugin
from governance.privacy.change.context import Context
from governance.privacy.redactions import Redactions
from governance.privacy.request.card_rules import CardRules
from governance.privacy.request.tensors import change_columns
from governance.settings import Settings
from tests.plugins.privacy.test_text import INFER, call

CARD = {
    "inputs": [{"name": "features", "columns": ["age", "zip", "dose"]}, {"name": "note"}],
    "privacy": [
        {"tensor": "features", "column": "age", "class": "quasi-identifier", "operator": "bucket:10"},
        {"tensor": "features", "column": "zip", "class": "quasi-identifier", "operator": "noise:5"},
        {"tensor": "note", "class": "sensitive", "operator": "text"},
    ],
}
ROUTE = "/v2/models/{model}/infer"
FIELDS = [
    {"route": ROUTE, "tensor": "features", "column": "age", "operator": "bucket:10", "data_class": "health"},
    {"route": ROUTE, "model": "risk", "tensor": "features", "column": 1, "operator": "noise:5"},
]


async def started(card=CARD, fields=FIELDS, routes=(), text=True, **privacy):
    document = {
        "service": {"name": "s"},
        "models": {"risk": {"artifact": "m.sealed"}},
        "routes": list(routes),
        "privacy": {"hash_key": "env:K", "fields": fields, "text": [{"route": ROUTE, "pointers": ["/inputs/*/data"]}] if text else [], **privacy},
    }  # fmt: skip
    plugin = PrivacyPlugin(Settings.model_validate(document), clock=lambda: 1_800_000_000.0)
    await plugin.open()
    plugin.model_loaded(ModelLoad("risk", "1", "cpu", True, False, 0.1, card))
    return plugin


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("K", "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=")


def body(array):
    features = {"name": "features", "shape": list(array.shape), "datatype": "FP32", "data": array.ravel().tolist()}
    note = {"name": "note", "shape": [1], "datatype": "BYTES", "data": ["mail a@b.org"]}
    return {"inputs": [features, note]}


async def test_privacy_plugin_changes_columns_and_texts_as_in_training():
    array = np.array([[42, 94105, 7]], np.float32)
    exchange, seen = await call(await started(), body(array), INFER, model="risk")
    features, note = json.loads(seen)["inputs"]
    trained = change_columns(
        array, CardRules.from_card(CARD).columns("features"), Context(b"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk")
    )
    assert np.array(features["data"], np.float32).tobytes() == trained.tobytes() and features["data"][0] == 40
    assert note["data"] == ["mail <EMAIL_ADDRESS>"]
    assert exchange.require(Redactions) == Redactions({"bucket": 1, "noise": 1}, frozenset({"health"}), {"EMAIL_ADDRESS": 1})  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fields": FIELDS[:1]}, "features.zip .* operator = 'noise:5'"),
        ({"text": False}, "note is free text"),
        ({"fields": [{**FIELDS[0], "operator": "bucket:5"}, FIELDS[1]]}, "features.age"),
        ({"fields": [*FIELDS, {**FIELDS[0], "column": "income"}]}, "no card names a column 'income'"),
        ({"routes": [{"path": "/predict", "model": "risk"}]}, "nothing for /predict"),
    ],
)
async def test_privacy_plugin_settings_that_contradict_the_card_stop_the_start(changes, said):
    with pytest.raises(ConfigurationError, match=said):
        await started(**changes)


def test_card_rules_require_the_privacy_plugin():
    load = ModelLoad("risk", "1", "cpu", True, False, 0.1, CARD)
    with pytest.raises(ConfigurationError, match="add the plugin 'privacy' to"):
        Pipeline([]).introduce([load])
    Pipeline([]).introduce([ModelLoad("risk", "1", "cpu", True, False, 0.1, {})])


async def test_privacy_plugin_scope_contains_purpose_caller_and_month():
    async def hashed(purpose, caller="ada"):
        made = await started({}, [{"route": "/ask", "pointer": "/name", "operator": "hash"}], text=False, scope="w/{purpose}/{caller}/{year}-{month}")  # fmt: skip
        decision = Decision(Verdict(True, (), "d"), lambda classes: Verdict(True, (), "d"), purpose=purpose)
        _, seen = await call(made, {"name": "Ada"}, decision=decision, facts=[Caller(caller, (), "k")])
        return json.loads(seen)["name"]

    made = {await hashed("treatment"), await hashed("research"), await hashed("treatment", "bob"), await hashed(None)}
    assert len(made) == 4 and await hashed("treatment") in made


async def test_privacy_plugin_shifts_dates_of_one_subject_equally():
    text = {"route": "/ask", "profile": {"DATE_TIME": "shift-date"}, "subject": "/patient", "pointers": ["/note"]}
    made = PrivacyPlugin(Settings.model_validate({"service": {"name": "s"}, "privacy": {"hash_key": "env:K", "text": [text]}}))  # fmt: skip
    await made.open()

    async def moved(patient):
        _, seen = await call(made, {"patient": patient, "note": "seen on 2020-02-27"})
        return json.loads(seen)["note"]

    assert await moved("ada") == await moved("ada") != await moved("bob")
