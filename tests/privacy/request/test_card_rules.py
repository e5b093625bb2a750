"""Privacy rules of a card: read strictly, compared with the settings, and applied by training and serving alike."""

import numpy as np
import pytest

from governance.errors import ConfigurationError, ManifestMismatchError
from governance.privacy.change.context import Context
from governance.privacy.change.operators import Operator
from governance.privacy.request.card_rules import CardRules
from governance.privacy.request.tensors import TensorColumn, change_columns

CARD = {
    "inputs": [{"name": "features", "columns": ["age", "zip", "dose"]}, {"name": "note"}],
    "privacy": [
        {"tensor": "features", "column": "age", "class": "quasi-identifier", "operator": "bucket:10"},
        {"tensor": "features", "column": "zip", "class": "quasi-identifier", "operator": "bucket:1000"},
        {"tensor": "features", "column": "dose", "class": "none"},
        {"tensor": "note", "class": "sensitive", "operator": "text"},
    ],
}
SETTINGS = [
    TensorColumn("features", 0, Operator.parse("bucket:10")),
    TensorColumn("features", 1, Operator.parse("bucket:1000")),
]


def test_card_rules_verify_accepts_settings_that_agree():
    CardRules.from_card(CARD).verify("m", SETTINGS, free_text=True)
    CardRules.from_card({}).verify("m", SETTINGS, free_text=False)


@pytest.mark.parametrize(
    ("columns", "free_text", "said"),
    [
        (SETTINGS[:1], True, "features.zip .* operator = 'bucket:1000'"),
        ([SETTINGS[0], TensorColumn("features", 1, Operator.parse("bucket:100"))], True, "features.zip"),
        ([SETTINGS[0], TensorColumn("features", 1, Operator.parse("bucket:1000"), entity="ZIP")], True, "features.zip"),
        (SETTINGS, False, "note is free text"),
        ([*SETTINGS, TensorColumn("features", 2, Operator.parse("drop"))], True, "features.dose"),
        (
            [*SETTINGS, TensorColumn("other", None, Operator.parse("drop"))],
            True,
            "other is changed by the settings, but not in the card",
        ),
    ],
)
def test_card_rules_verify_names_features_that_disagree(columns, free_text, said):
    with pytest.raises(ConfigurationError, match=said):
        CardRules.from_card(CARD).verify("m", columns, free_text=free_text)


@pytest.mark.parametrize(
    "feature",
    [
        {"tensor": "features", "column": "name", "class": "direct identifier", "operator": "drop"},
        {"tensor": "image", "class": "sensitive", "operator": "drop"},
        {"tensor": "note", "class": "secret", "operator": "drop"},
        {"tensor": "note", "class": "sensitive"},
        {"tensor": "note", "class": "sensitive", "operator": "keep"},
        {"tensor": "note", "class": "none", "operator": "drop"},
        {"tensor": "note", "class": "sensitive", "operator": "nothing"},
        {"tensor": "note"},
        "note",
        None,
    ],
)
def test_card_rules_from_card_refuses_invalid_features(feature):
    with pytest.raises(ManifestMismatchError, match="card.json"):
        CardRules.from_card({"inputs": CARD["inputs"], "privacy": [feature]})
    with pytest.raises(ManifestMismatchError, match="twice"):
        CardRules.from_card({**CARD, "privacy": [CARD["privacy"][0], CARD["privacy"][0]]})


def test_card_rules_columns_change_training_data_as_serving_does():
    contract = CardRules.from_card(CARD)
    array = np.array([[42, 94105, 7], [77, 10115, 3]], np.float32)
    assert change_columns(array, contract.columns("features"), Context()).tolist() == [[40, 94000, 7], [70, 10000, 3]]
    assert contract.columns("note") == ()
