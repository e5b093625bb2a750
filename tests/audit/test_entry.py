"""Audit entries: their types accept only words that may be kept, and no free text."""

from typing import get_args, get_type_hints

import pytest

from governance.audit.entry import Entry, LogWord, known_word, number_word, printable_word

# Hashes and stamps, which the log computes itself.
COMMITMENTS = {"request", "reply", "stamp"}


def parts(hint):
    inner = get_args(hint)
    return {hint} if not inner or not any(isinstance(part, type) or part is LogWord for part in inner) else set().union(*map(parts, inner))  # fmt: skip


def test_audit_entry_fields_hold_no_text_of_the_caller():
    hints = get_type_hints(Entry)
    plain = {name for name, hint in hints.items() if str in parts(hint)}
    assert plain == COMMITMENTS and LogWord in parts(hints["purpose"]) and LogWord in parts(hints["roles"])


@pytest.mark.parametrize("word", ["Featherstonehaugh", "1234567", "-1", "١", "", None])
def test_audit_entry_word_that_is_not_known_becomes_none(word):
    assert known_word(word, {"digits"}) is None and number_word(word) is None
    assert known_word("digits", {"digits"}) == "digits" and number_word("12") == "12"


@pytest.mark.parametrize("word", ["a\nb", "é", "x" * 129, "", None])
def test_audit_entry_word_that_cannot_be_printed_becomes_none(word):
    assert printable_word(word) is None
