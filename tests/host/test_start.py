"""What a start may say and do: misspelt names are proposed, and only the start of a service ends its master."""

import json
import os
import signal
import warnings

import pytest

from governance.errors import ConfigurationError, DecryptionError, KeyUnavailableError
from governance.host import start
from governance.host.start import START, report_failure, start_succeeded, watch_start
from governance.names import suggestion
from governance.settings import Settings


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("digits-cn", ["digits-cnn", "digits-rnn"], "; did you mean 'digits-cnn'?"),
        ("Digits-CNN", ["digits-cnn"], "; did you mean 'digits-cnn'?"),
        ("Input", ["INPUT", "OUTPUT"], "; did you mean 'INPUT'?"),
        ("fraud", ["digits-cnn"], ""),
        ("x", [], ""),
        ("x" * 10**6, ["x" * 10**6], ""),
    ],
)
def test_suggestion_is_the_name_most_alike(name, known, said):
    assert suggestion(name, known) == said


def test_open_model_proposes_the_right_name():
    with warnings.catch_warnings():
        # BentoML uses what its own dependencies deprecate.
        warnings.simplefilter("ignore")
        host = pytest.importorskip("governance.host.governance")
    models = {"digits-cnn": {"artifact": "x.sealed"}}
    governance = host.Governance(Settings.model_validate({"service": {"name": "s"}, "models": models}))
    with pytest.raises(host.WrongUseError, match=r"no \[models.digits-cn\].*did you mean 'digits-cnn'") as caught:
        governance.open_model("digits-cn")
    assert isinstance(caught.value, ConfigurationError)
    with pytest.raises(ConfigurationError, match="above @bentoml.service"):
        governance.guard(object)


@pytest.fixture
def master(monkeypatch):
    """This process is the master, and its own worker; signals are collected."""
    monkeypatch.setattr(start.atexit, "register", lambda *arguments: None)
    monkeypatch.setenv(START, "{}")
    watch_start()
    descriptor = json.loads(os.environ[START])["file"]
    monkeypatch.setattr(os, "getppid", os.getpid)
    monkeypatch.setattr(start, "_handles_termination", lambda process: True)
    monkeypatch.setattr(start.server_log, "disabled", start.server_log.disabled)
    sent = []
    monkeypatch.setattr(os, "kill", lambda process, number: sent.append((process, number)))
    yield sent
    os.close(descriptor)


def test_failure_that_a_restart_does_not_change_ends_the_master(master):
    assert report_failure(DecryptionError("another\nkey"), "digits") == ""
    assert report_failure(ConfigurationError("the second worker"), "digits") == ""
    assert master == [(os.getpid(), signal.SIGTERM)] * 2
    assert start.server_log.disabled
    assert start._lines(start._inherited())[0] == "failed decryption: another key"


def test_failure_after_a_start_or_one_that_may_pass_ends_no_master(master):
    assert report_failure(KeyUnavailableError("no answer"), "digits") == "key_unavailable: no answer"
    start_succeeded("digits")
    start_succeeded("digits")
    assert report_failure(ConfigurationError("x"), "digits") == report_failure(ConfigurationError("x")) != ""
    assert master == []
    assert report_failure(ConfigurationError("x"), "inner") == ""


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"parent": 1, "file": 0}', "x", '{"parent": null}'])
def test_record_of_another_process_is_ignored(master, monkeypatch, record):
    monkeypatch.setenv(START, record)
    assert report_failure(ConfigurationError("x"), "digits") == "configuration: x"
    start_succeeded("digits")
    assert master == []


def test_only_a_process_that_handles_termination_is_asked_to_end():
    assert not start._handles_termination(2**22 + 1)
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        assert start._handles_termination(os.getpid())
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        assert not start._handles_termination(os.getpid())
    finally:
        signal.signal(signal.SIGTERM, before)
