"""The commands policy, api-key, stop, resume and grant, run in a folder with the settings of the digits service."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from governance.audit.entry import Entry, encode_entry

BIN = Path(sys.executable).parent / "bento-governance"
DIGITS = Path(__file__).parents[2] / "bentos/digits"


class Terminal:
    def __init__(self, folder):
        self.folder = folder

    def run(self, line):
        return subprocess.run(
            [str(BIN), *shlex.split(line)], cwd=self.folder, capture_output=True, text=True, check=False,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": str(DIGITS.parents[1])},
        )  # fmt: skip

    def transcript(self, line):
        done = self.run(line)
        assert "Traceback" not in done.stderr, done.stderr
        return f"[{done.returncode}]\n{done.stdout}{done.stderr}"

    def json(self, line):
        done = self.run(line)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def terminal(tmp_path):
    for name in ("governance.toml", "policy.cedar", "schema.cedarschema", "policy_cases.json"):
        shutil.copy(DIGITS / name, tmp_path)
    (tmp_path / "state/keys").mkdir(parents=True)
    (tmp_path / "grants").mkdir()
    with (tmp_path / "governance.toml").open("a") as settings:
        settings.write(
            "\n[break_glass]\ndirectory = 'grants'\ntrusted_keys = ['a.key.pub', 'b.key.pub']\nreasons = ['code-blue']\nmax_minutes = 60\n"
        )
    here = Terminal(tmp_path)
    for line in (
        "key create signing a.key",
        "key create signing b.key",
        "key create signing state/keys/stop.key",
        "key create secret state/keys/api-key-hash.key",
    ):
        assert here.run(line).returncode == 0
    return here


def test_policy_check_command(terminal):
    assert re.fullmatch(
        r"\[0\]\n5 policies parse and fit the schema: sha256:[0-9a-f]{64}\n", terminal.transcript("policy check")
    )
    with (terminal.folder / "policy.cedar").open("a") as file:
        file.write(
            '@id("idle") permit (principal in Role::"x", action == Action::"metrics", resource == Service::"gone");\n'
        )
    shown = terminal.transcript("policy check")
    assert "remark: " in shown and "policy 'idle': no model or service is, or belongs to, Service::'gone'" in shown
    assert terminal.transcript("policy check --strict").startswith("[3]")
    assert len(terminal.json("policy check --json")["remarks"]) == 1
    with (terminal.folder / "policy.cedar").open("a") as file:
        file.write("permit (principal);\n")
    assert re.search(
        r"\[3\]\nconfiguration: .*policy\.cedar, line \d+: does not parse", terminal.transcript("policy check")
    )


def test_policy_test_command_prints_cases_and_names_the_failed_one(terminal):
    shown = terminal.transcript("policy test policy_cases.json")
    assert shown.startswith("[0]") and "ok    allow  a viewer gets the label only" in shown and "output=label" in shown
    cases = json.loads((terminal.folder / "policy_cases.json").read_text())
    cases[0]["decision"] = "deny"
    (terminal.folder / "policy_cases.json").write_text(json.dumps(cases))
    shown = terminal.transcript("policy test policy_cases.json")
    assert shown.startswith("[3]") and "FAIL  allow  a classifier classifies" in shown
    assert (
        f"1 of {len(cases)} cases failed; 'a classifier classifies' should be deny and is allow by classifiers-use-digit-models"
        in shown
    )
    cases[0]["nonsense"] = 1
    (terminal.folder / "policy_cases.json").write_text(json.dumps(cases))
    assert "is not a table of cases" in terminal.transcript("policy test policy_cases.json")


def test_policy_explain_command(terminal):
    shown = terminal.transcript("policy explain --role viewer --model digits-cnn")
    assert shown.startswith("[0]\nallow: permitted by viewers-see-labels\n  obligation: output=label\n")
    assert "forbid  no-advertising: does not apply" in shown
    shown = terminal.transcript("policy explain --role classifier --model digits-cnn --purpose advertising")
    assert "deny: forbidden by no-advertising" in shown and "permit  classifiers-use-digit-models: applies" in shown
    assert "deny: denied: no policy permits it" in terminal.transcript("policy explain --model digits-cnn")
    assert terminal.json("policy explain --role viewer --model digits-cnn --json")["obligations"] == "output=label"


def entry(number, **changes):
    fields = {
        "v": 1, "id": f"{number:032x}", "time_us": 1_790_000_000_000_000 + number, "duration_us": 1, "method": "POST",
        "route": "/v2/models/{model}/infer", "action": "infer", "outcome": "answered", "reason": None, "status": 200,
        "caller": "ada", "key_id": "k", "purpose": None, "model": "digits-cnn", "version": "1", "model_digest": None,
        "items": 1, "policies": ["classifiers-use-digit-models"], "policy_digest": "sha256:x", "redactions": {},
        "request": None, "reply": None, "roles": ["classifier"],
    }  # fmt: skip
    return encode_entry(Entry(**{**fields, **changes}))


def test_policy_replay_command(terminal):
    folder = terminal.folder / "audit/worker-0"
    folder.mkdir(parents=True)
    denied = {
        "outcome": "refused",
        "reason": "forbidden",
        "status": None,
        "policies": [],
        "roles": [],
        "detail": "denied: no policy permits it",
    }
    lines = [entry(number, purpose="research" if number % 4 == 0 else None) for number in range(100)]
    lines += [
        entry(100, **denied),
        entry(101, caller="eve", roles=["viewer"], policies=["viewers-see-labels"], obligations="output=label"),
    ]
    lines += [
        entry(102, policy_digest=None, caller=None),
        entry(103, outcome="event", action="stop", policy_digest="sha256:x"),
    ]
    (folder / "entries.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    assert (
        terminal.transcript("policy replay audit --candidate policy.cedar")
        == "[0]\nNone of 102 requests would be decided differently.\n"
    )
    text = (terminal.folder / "policy.cedar").read_text()
    (terminal.folder / "new.cedar").write_text(
        text.replace('"advertising"', '"research"').replace('@output("label")', '@output("top-k:3")')
    )
    shown = terminal.transcript("policy replay audit --candidate new.cedar")
    assert "25 of 102 would be denied:" in shown and "1 of 102 would be answered under other obligations:" in shown
    assert "      25  ada [classifier]  infer digits-cnn for research: forbidden by no-advertising" in shown
    answer = terminal.json("policy replay audit --candidate new.cedar --json")
    assert answer["changed"] == {"denied": 25, "answered under other obligations": 1} and len(answer["rows"]) == 2
    assert "of 0" not in terminal.transcript("policy replay audit --candidate new.cedar --since 2026-01-01")
    assert "None of 0" in terminal.transcript("policy replay audit --candidate new.cedar --since 2030-01-01")
    (folder / "entries.jsonl").write_bytes(b"garbage\n")
    assert "run `audit verify`" in terminal.transcript("policy replay audit --candidate new.cedar")


def test_stop_and_resume_commands(terminal):
    assert terminal.transcript("stop digits-cnn --reason x").startswith("[3]\nconfiguration: ")
    shown = terminal.transcript("resume ALL --reason 'first start'")
    assert shown.startswith("[0]\nResumed ALL") and "no model is stopped" in shown
    shown = terminal.transcript("stop digits-cnn --reason 'wrong answers'")
    assert re.search(r"stopped: digits-cnn since \d{4}-\d\d-\d\dT[0-9:]{8}Z: wrong answers", shown)
    assert terminal.json("stop ALL --reason audit --json")["stopped"][0]["model"] == "ALL"
    assert len(terminal.json("resume digits-cnn --reason fixed --json")["stopped"]) == 1
    assert "there are: ALL, digits-cnn, digits-rnn" in terminal.transcript("stop nothing --reason x")
    assert "does not contain this key" in terminal.transcript("stop ALL --reason x --sign-with file:a.key")
    assert terminal.transcript("stop ALL").startswith("[2]")


def test_stop_command_does_not_build_on_a_file_older_than_the_audit_log(terminal):
    file, log = terminal.folder / "state/stop.json", terminal.folder / "state/audit/worker-0"
    terminal.json("resume ALL --reason x --json")
    old = file.read_bytes()
    assert terminal.json("stop digits-cnn --reason x --json")["sequence"] == 2
    log.mkdir(parents=True)
    event = entry(1, outcome="event", action="stop-orders", reason="done", head=f"stop 2 {'ab' * 32}")
    (log / "entries.jsonl").write_bytes(event + b"\n")
    file.write_bytes(old)
    for command in ("stop digits-rnn", "resume ALL"):
        shown = terminal.transcript(f"{command} --reason x")
        assert shown.startswith("[5]") and "has version 1, and the audit log had 2" in shown
    assert file.read_bytes() == old
    file.unlink()
    assert terminal.json("resume ALL --reason x --json")["sequence"] == 4
    file.unlink()
    assert terminal.json("resume ALL --after 9 --reason x --json")["sequence"] == 11


def test_stop_commands_at_once_lose_no_stop(terminal):
    terminal.json("resume ALL --reason x --json")
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda model: terminal.json(f"stop {model} --reason x --json"), ["digits-cnn", "digits-rnn"]))
    assert len(terminal.json("stop digits-cnn --reason again --json")["stopped"]) == 2


def test_grant_commands_need_two_signatures(terminal):
    shown = terminal.transcript(
        "grant create ada x.grant --model digits-cnn --reason code-blue --minutes 30 --sign-with file:a.key"
    )
    assert (
        shown.startswith("[0]\nx.grant: ada may infer on digits-cnn in digits until ")
        and "It needs 2 signatures" in shown
    )
    assert "signature: this key has already signed it" in terminal.transcript(
        "grant sign x.grant --sign-with file:a.key"
    )
    shutil.copy(terminal.folder / "x.grant", terminal.folder / "grants/x.grant")
    assert "x.grant: not valid: signed by 1 of the 2" in terminal.transcript("grant list")
    shown = terminal.transcript("grant sign x.grant --sign-with file:b.key")
    assert "It is valid: copy it to" in shown
    shutil.copy(terminal.folder / "x.grant", terminal.folder / "grants/x.grant")
    assert "x.grant: valid; ada may infer" in terminal.transcript("grant list")
    assert terminal.json("grant list --json")[0]["state"] == "valid"
    for wrong, says in (
        ("--reason other --minutes 30", "there are: code-blue"),
        ("--reason code-blue --minutes 61", "at most 60 minutes"),
    ):
        assert says in terminal.transcript(f"grant create ada y.grant --model m {wrong} --sign-with file:a.key")
    assert "already exists" in terminal.transcript(
        "grant create ada x.grant --model m --reason code-blue --minutes 3 --sign-with file:a.key"
    )


def test_api_key_commands_create_rotate_list_revoke(terminal):
    made = terminal.json("api-key create ada --role classifier --json")
    shown = terminal.transcript("api-key list")
    assert re.fullmatch(rf"\[0\]\n{made['key_id']}  ada  \[classifier\]  [0-9-]+  expires never  never used\n", shown)
    rotated = terminal.json(f"api-key rotate {made['key_id']} --overlap-days 3 --expires-days 90 --json")
    assert rotated["caller"] == "ada" and rotated["token"] != made["token"] and rotated["old_expires"]
    assert len(terminal.json("api-key list --json")) == 2
    assert "is revoked" in terminal.transcript(f"api-key revoke {made['key_id']}")
    assert "not valid any more" in terminal.transcript(f"api-key rotate {made['key_id']}")
    assert made["token"][-20:] not in (terminal.folder / "state/api-keys.json").read_text()
