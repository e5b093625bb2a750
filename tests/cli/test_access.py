"""Transcripts of policy, api-key, stop, resume and grant, as people type them."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from governance.audit.entry import Entry, encode_entry

BIN = Path(sys.executable).parent / "bento-governance"
DIGITS = Path(__file__).parents[2] / "bentos/digits"


class Person:
    def __init__(self, folder):
        self.folder = folder

    def types(self, line):
        return subprocess.run(
            [str(BIN), *shlex.split(line)], cwd=self.folder, capture_output=True, text=True, check=False,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        )  # fmt: skip

    def reads(self, line):
        done = self.types(line)
        assert "Traceback" not in done.stderr, done.stderr
        return f"[{done.returncode}]\n{done.stdout}{done.stderr}"

    def reads_json(self, line):
        done = self.types(line)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def person(tmp_path):
    for name in ("governance.toml", "policy.cedar", "schema.cedarschema", "policy_cases.json"):
        shutil.copy(DIGITS / name, tmp_path)
    (tmp_path / "state/keys").mkdir(parents=True)
    (tmp_path / "grants").mkdir()
    with (tmp_path / "governance.toml").open("a") as settings:
        settings.write(
            "\n[break_glass]\ndirectory = 'grants'\ntrusted_keys = ['a.key.pub', 'b.key.pub']\nreasons = ['code-blue']\nmax_minutes = 60\n"
        )
    here = Person(tmp_path)
    for line in (
        "key create signing a.key",
        "key create signing b.key",
        "key create signing state/keys/stop.key",
        "key create secret state/keys/api-key-hash.key",
    ):
        assert here.types(line).returncode == 0
    return here


def test_policies_are_checked(person):
    assert re.fullmatch(
        r"\[0\]\n5 policies parse and fit the schema: sha256:[0-9a-f]{64}\n", person.reads("policy check")
    )
    with (person.folder / "policy.cedar").open("a") as file:
        file.write(
            '@id("idle") permit (principal in Role::"x", action == Action::"metrics", resource == Service::"gone");\n'
        )
    told = person.reads("policy check")
    assert "remark: " in told and "policy 'idle': no model or service is, or belongs to, Service::'gone'" in told
    assert person.reads("policy check --strict").startswith("[3]")
    assert len(person.reads_json("policy check --json")["remarks"]) == 1
    with (person.folder / "policy.cedar").open("a") as file:
        file.write("permit (principal);\n")
    assert re.search(r"\[3\]\nconfiguration: .*policy\.cedar, line \d+: does not parse", person.reads("policy check"))


def test_a_table_of_cases_is_readable_and_fails_with_its_row(person):
    told = person.reads("policy test policy_cases.json")
    assert told.startswith("[0]") and "ok    allow  a viewer gets the label only" in told and "output=label" in told
    cases = json.loads((person.folder / "policy_cases.json").read_text())
    cases[0]["decision"] = "deny"
    (person.folder / "policy_cases.json").write_text(json.dumps(cases))
    told = person.reads("policy test policy_cases.json")
    assert told.startswith("[3]") and "FAIL  allow  a classifier classifies" in told
    assert (
        f"1 of {len(cases)} cases failed; 'a classifier classifies' should be deny and is allow by classifiers-use-digit-models"
        in told
    )
    cases[0]["nonsense"] = 1
    (person.folder / "policy_cases.json").write_text(json.dumps(cases))
    assert "is not a table of cases" in person.reads("policy test policy_cases.json")


def test_a_decision_is_explained(person):
    told = person.reads("policy explain --role viewer --model digits-cnn")
    assert told.startswith("[0]\nallow: permitted by viewers-see-labels\n  obliges to output=label\n")
    assert "forbid  no-advertising: does not apply" in told
    told = person.reads("policy explain --role classifier --model digits-cnn --purpose advertising")
    assert "deny: forbidden by no-advertising" in told and "permit  classifiers-use-digit-models: applies" in told
    assert "deny: denied: no policy permits it" in person.reads("policy explain --model digits-cnn")
    assert person.reads_json("policy explain --role viewer --model digits-cnn --json")["obligations"] == "output=label"


def entry(number, **changes):
    fields = {
        "v": 1, "id": f"{number:032x}", "time_us": 1_790_000_000_000_000 + number, "duration_us": 1, "method": "POST",
        "route": "/v2/models/{model}/infer", "action": "infer", "outcome": "answered", "reason": None, "status": 200,
        "caller": "ada", "key_id": "k", "purpose": None, "model": "digits-cnn", "version": "1", "model_digest": None,
        "items": 1, "policies": ["classifiers-use-digit-models"], "policy_digest": "sha256:x", "redactions": {},
        "request": None, "reply": None, "roles": ["classifier"],
    }  # fmt: skip
    return encode_entry(Entry(**{**fields, **changes}))


def test_a_log_is_replayed_against_candidates(person):
    folder = person.folder / "audit/worker-0"
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
        person.reads("policy replay audit --candidate policy.cedar")
        == "[0]\nNone of 102 requests would come out otherwise.\n"
    )
    text = (person.folder / "policy.cedar").read_text()
    (person.folder / "new.cedar").write_text(
        text.replace('"advertising"', '"research"').replace('@output("label")', '@output("top-k:3")')
    )
    told = person.reads("policy replay audit --candidate new.cedar")
    assert "25 of 102 would be denied:" in told and "1 of 102 would be answered under other obligations:" in told
    assert "      25  ada [classifier]  infer digits-cnn for research: forbidden by no-advertising" in told
    answer = person.reads_json("policy replay audit --candidate new.cedar --json")
    assert answer["changed"] == {"denied": 25, "answered under other obligations": 1} and len(answer["rows"]) == 2
    assert "of 0" not in person.reads("policy replay audit --candidate new.cedar --since 2026-01-01")
    assert "None of 0" in person.reads("policy replay audit --candidate new.cedar --since 2030-01-01")
    (folder / "entries.jsonl").write_bytes(b"garbage\n")
    assert "run `audit verify`" in person.reads("policy replay audit --candidate new.cedar")


def test_a_model_is_stopped_and_resumed(person):
    assert person.reads("stop digits-cnn --reason x").startswith("[3]\nconfiguration: ")
    told = person.reads("resume ALL --reason 'first start'")
    assert told.startswith("[0]\nResumed ALL") and "nothing is stopped" in told
    told = person.reads("stop digits-cnn --reason 'wrong answers'")
    assert re.search(r"stopped: digits-cnn since \d{4}-\d\d-\d\dT[0-9:]{8}Z: wrong answers", told)
    assert person.reads_json("stop ALL --reason audit --json")["stopped"][0]["model"] == "ALL"
    assert len(person.reads_json("resume digits-cnn --reason fixed --json")["stopped"]) == 1
    assert "there are: ALL, digits-cnn, digits-rnn" in person.reads("stop nothing --reason x")
    assert "do not hold this key" in person.reads("stop ALL --reason x --sign-with file:a.key")
    assert person.reads("stop ALL").startswith("[2]")


def test_the_glass_is_broken_by_two(person):
    told = person.reads(
        "grant create ada x.grant --model digits-cnn --reason code-blue --minutes 30 --sign-with file:a.key"
    )
    assert told.startswith("[0]\nx.grant: ada may infer on digits-cnn until ") and "It takes 2 signatures" in told
    assert "signature: this key signed it already" in person.reads("grant sign x.grant --sign-with file:a.key")
    shutil.copy(person.folder / "x.grant", person.folder / "grants/x.grant")
    assert "x.grant: does not count: signed by 1 of the 2" in person.reads("grant list")
    told = person.reads("grant sign x.grant --sign-with file:b.key")
    assert "It counts: copy it to" in told
    shutil.copy(person.folder / "x.grant", person.folder / "grants/x.grant")
    assert "x.grant: holds; ada may infer" in person.reads("grant list")
    assert person.reads_json("grant list --json")[0]["state"] == "holds"
    for wrong, says in (
        ("--reason other --minutes 30", "there are: code-blue"),
        ("--reason code-blue --minutes 61", "60 minutes at most"),
    ):
        assert says in person.reads(f"grant create ada y.grant --model m {wrong} --sign-with file:a.key")
    assert "there already" in person.reads(
        "grant create ada x.grant --model m --reason code-blue --minutes 3 --sign-with file:a.key"
    )


def test_keys_are_created_rotated_listed_and_revoked(person):
    made = person.reads_json("api-key create ada --role classifier --json")
    told = person.reads("api-key list")
    assert re.fullmatch(rf"\[0\]\n{made['key_id']}  ada  \[classifier\]  [0-9-]+  expires never  never used\n", told)
    rotated = person.reads_json(f"api-key rotate {made['key_id']} --overlap-days 3 --expires-days 90 --json")
    assert rotated["caller"] == "ada" and rotated["token"] != made["token"] and rotated["old_expires"]
    assert len(person.reads_json("api-key list --json")) == 2
    assert "is revoked" in person.reads(f"api-key revoke {made['key_id']}")
    assert "not valid any more" in person.reads(f"api-key rotate {made['key_id']}")
    assert made["token"][-20:] not in (person.folder / "state/api-keys.json").read_text()
