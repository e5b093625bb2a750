"""Rollback floors: no version below the highest served one opens, and the floor file cannot be changed unnoticed."""

import pytest

from governance.artifacts.trust.rollback import FILE, RollbackFloors
from governance.errors import RollbackError
from governance.keys import generate_signing_key


@pytest.fixture(scope="module")
def key():
    return generate_signing_key("ed25519")


def test_rollback_floor_rises_and_never_decreases(tmp_path, key):
    floors = RollbackFloors(tmp_path / "audit", key, "s")
    assert floors.read().floors == {}
    floors.raise_to({"a": 3, "b": 1})
    floors.raise_to({"a": 2})
    assert RollbackFloors(tmp_path / "audit", key, "s").read().floors == {"a": 3, "b": 1}
    floors.raise_to({"a": 4, "c": 1})
    assert floors.read().floors == {"a": 4, "b": 1, "c": 1}


def test_rollback_floors_refuse_a_lowered_floor_or_another_key(tmp_path, key):
    floors = RollbackFloors(tmp_path, key, "s")
    floors.raise_to({"a": 3})
    file = tmp_path / FILE
    good = file.read_bytes()
    for wrong in (
        good.replace(b'"a":3', b'"a":2'),
        b"",
        b"{}",
        b"[]",
        good[:-1],
        b"\xff",
        good.replace(b"signature", b"sig"),
    ):
        file.write_bytes(wrong)
        with pytest.raises(RollbackError, match="was changed"):
            floors.read()
        with pytest.raises(RollbackError):
            floors.raise_to({"a": 9})
    file.write_bytes(good)
    with pytest.raises(RollbackError):
        RollbackFloors(tmp_path, generate_signing_key("ed25519"), "s").read()


def test_rollback_floors_refuse_a_missing_file_if_the_log_has_entries(tmp_path, key):
    floors = RollbackFloors(tmp_path, key, "s")
    (tmp_path / "worker-0").mkdir()
    (tmp_path / "worker-0/entries.jsonl").write_bytes(b"")
    assert floors.read().floors == {}
    (tmp_path / "worker-0/entries.jsonl").write_bytes(b"{}\n")
    with pytest.raises(RollbackError, match="is missing"):
        floors.read()


def test_rollback_floors_of_another_service_are_refused(tmp_path, key):
    RollbackFloors(tmp_path, key, "staging").raise_to({"a": 1})
    with pytest.raises(RollbackError, match="for the service 'staging', not for 's'"):
        RollbackFloors(tmp_path, key, "s").read()


def test_rollback_floors_name_the_version_before(tmp_path, key):
    floors = RollbackFloors(tmp_path, key, "s")
    first, second = floors.raise_to({"a": 1}), floors.raise_to({"a": 2})
    assert (first.sequence, first.previous) == (1, "") and (second.sequence, second.previous) == (2, first.digest)
    assert floors.raise_to({"a": 1}) == second
