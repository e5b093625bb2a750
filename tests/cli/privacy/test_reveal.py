"""`privacy reveal`: the policies decide, the audit log has an entry, and a caller without permission gets nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent / "bento-governance"
SETTINGS = """
[service]
name = "ward"
plugins = ["audit", "identity", "policy", "privacy"]
[identity]
api_keys = "api-keys.json"
hash_key = "file:hash.key"
[policy]
policies = "policy.cedar"
cedar_schema = "schema.cedarschema"
[audit]
directory = "audit"
checkpoint_key = "file:checkpoint.key"
[privacy]
hash_key = "file:privacy.key"
scope = "ward/{purpose}"
reveal = true
"""
SCHEMA = """
entity Role;
entity Caller in [Role];
entity Service;
action reveal appliesTo { principal: [Caller], resource: [Service], context: { route: String, purpose?: String } };
"""
POLICY = """
@id("officers-reveal-for-treatment")
permit (principal in Role::"officer", action == Action::"reveal", resource)
when { context has purpose && context.purpose == "treatment" };
"""
TEXT = "Call Maria Gonzalez on 415-555-2671.\nNothing here.\n"


def run(folder, *arguments, given=None, **environment):
    return subprocess.run(
        [str(BIN), *map(str, arguments)],
        input=given,
        capture_output=True,
        check=False,
        cwd=folder,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def ward(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ward")
    for name, content in (("governance.toml", SETTINGS), ("schema.cedarschema", SCHEMA), ("policy.cedar", POLICY)):
        (folder / name).write_text(content)
    (folder / "t.txt").write_text(TEXT)
    for kind, name in (("secret", "hash.key"), ("secret", "privacy.key"), ("checkpoint", "checkpoint.key")):
        assert run(folder, "key", "create", kind, name).returncode == 0
    for role in ("officer", "clerk"):
        made = run(folder, "api-key", "create", role, "--role", role, "--json", "--store", "api-keys.json", "--hash-key", "file:hash.key")  # fmt: skip
        (folder / f"{role}.token").write_text(json.loads(made.stdout)["token"])
        (folder / f"{role}.token").chmod(0o600)
    options = ("--operator", "token", "--key", "file:privacy.key", "--scope", "ward/treatment")
    assert run(folder, "privacy", "anonymize", "t.txt", "tokens.txt", *options).returncode == 0
    assert "Gonzalez" not in (folder / "tokens.txt").read_text()
    return folder


def reveal(folder, role, *more, file="tokens.txt", given=None):
    return run(folder, "privacy", "reveal", file, "--credential", f"file:{role}.token", *more, given=given)


def entries(folder):
    """Return the entries of requests, without the events of the log itself."""
    lines = [line for file in folder.glob("audit/*/entries.jsonl") for line in file.read_text().splitlines()]
    return [entry for entry in map(json.loads, lines) if entry["outcome"] != "event"]


def test_reveal_prints_the_text_and_writes_an_audit_entry(ward):
    before = len(entries(ward))
    done = reveal(ward, "officer", "--purpose", "treatment")
    assert done.returncode == 0 and done.stdout.decode() == TEXT, done.stderr
    [entry] = entries(ward)[before:]
    assert (entry["caller"], entry["action"], entry["outcome"], entry["purpose"]) == ("officer", "reveal", "answered", "treatment")  # fmt: skip
    assert entry["policies"] == ["officers-reveal-for-treatment"] and entry["redactions"] == {"reveal": 2}
    assert "Gonzalez" not in json.dumps(entry)
    checked = run(ward, "audit", "verify", "audit", "--key", "checkpoint.key.pub")
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(("role", "more"), [("clerk", ("--purpose", "treatment")), ("officer", ()), ("officer", ("--purpose", "research"))])  # fmt: skip
def test_reveal_refuses_and_records_callers_without_permission(ward, role, more):
    before = len(entries(ward))
    done = reveal(ward, role, *more)
    assert done.returncode == 6 and not done.stdout and b"does not permit" in done.stderr
    [entry] = entries(ward)[before:]
    assert (entry["caller"], entry["outcome"], entry["reason"]) == (role, "refused", "forbidden")


def test_reveal_refuses_tokens_of_another_scope_and_changed_ones(ward):
    other = reveal(ward, "officer", "--purpose", "treatment", "--scope", "ward/research")
    assert other.returncode == 6 and b"not of this key and scope" in other.stderr and b"Gonzalez" not in other.stdout
    changed = (ward / "tokens.txt").read_text().replace("<PERSON:", "<LOCATION:")
    done = reveal(ward, "officer", "--purpose", "treatment", file="-", given=changed.encode())
    # What was not changed is revealed, and the rest is reported.
    assert done.returncode == 0 and b"tokens stay" in done.stderr
    assert b"<LOCATION:" in done.stdout and b"Gonzalez" not in done.stdout


def test_reveal_refuses_unknown_callers_and_services_without_reveal(ward):
    (ward / "stranger.token").write_text("bgk_AAAAAAAAAAAA_" + "A" * 43)
    (ward / "stranger.token").chmod(0o600)
    assert reveal(ward, "stranger", "--purpose", "treatment").returncode == 6
    done = run(ward, "privacy", "reveal", "tokens.txt", "--credential", "file:officer.token", GOVERNANCE_PRIVACY__REVEAL="false")  # fmt: skip
    assert done.returncode == 3 and b"reveal = true" in done.stderr
