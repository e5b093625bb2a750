"""`privacy scan|anonymize`, as people and programs call them."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent / "bento-governance"
TEXT = "Call Maria Gonzalez on 415-555-2671.\nNothing here.\nCard 4111 1111 1111 1111, paid by Maria Gonzalez.\n"


def run(*arguments, given=None, folder=None):
    return subprocess.run(
        [str(BIN), "privacy", *map(str, arguments)], input=given, capture_output=True, check=False, cwd=folder
    )


def test_json_lines_are_answered_line_by_line():
    lines = [
        {"id": 1, "text": "Dr. Maria Gonzalez, 张伟 and 415-555-2671"},
        {"id": "b", "text": ""},
        {"id": None, "text": "nothing"},
    ]
    done = run("scan", "--json", "-", given="\n".join(json.dumps(line) for line in lines).encode())
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [1, "b", None]
    text = lines[0]["text"]
    assert [(f["entity"], text[f["start"] : f["end"]]) for f in answers[0]["findings"]] == [
        ("PERSON", "Maria Gonzalez"), ("PERSON", "张伟"), ("PHONE_NUMBER", "415-555-2671"),
    ]  # fmt: skip
    assert answers[1]["findings"] == answers[2]["findings"] == []
    assert all(0 <= f["score"] <= 1 for f in answers[0]["findings"])


def test_who_asks_line_by_line_is_answered_line_by_line():
    command = [str(BIN), "privacy", "scan", "--json", "--patterns-only", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for number in range(3):
            process.stdin.write(json.dumps({"id": number, "text": "mail a@b.org"}).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == number
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.mark.parametrize("line", [b"nope", b"[]", b'{"id": 1}', b'{"id": 1, "text": 2}', b"\xff\xfe", b"[" * 50_000])
def test_a_line_that_cannot_be_read_is_told_and_the_others_are_answered(line):
    done = run("scan", "--json", "--patterns-only", "-", given=line + b'\n{"id": 2, "text": "a@b.org"}\n')
    first, second = (json.loads(answer) for answer in done.stdout.splitlines())
    assert first["id"] is None and first["error"] and second["id"] == 2 and second["findings"]
    assert done.returncode == 6 and b"Traceback" not in done.stderr


def test_a_scan_shows_kinds_and_not_data(tmp_path):
    (tmp_path / "t.txt").write_text(TEXT)
    done = run("scan", "t.txt", folder=tmp_path)
    shown = done.stdout.decode()
    assert done.returncode == 0 and "PERSON" in shown and "PHONE_NUMBER" in shown and "CREDIT_CARD" in shown
    assert "Gonzalez" not in shown and "2671" not in shown and "1111" not in shown
    (tmp_path / "none.txt").write_text("nothing\n")
    assert b"No personal data" in run("scan", "--patterns-only", "none.txt", folder=tmp_path).stdout
    assert run("scan", "absent.txt", folder=tmp_path).returncode == 3


def test_a_file_is_anonymized_and_tokens_come_back(tmp_path):
    (tmp_path / "t.txt").write_text(TEXT)
    (tmp_path / "k").write_text(base64.b64encode(b"k" * 32).decode())
    (tmp_path / "k").chmod(0o600)
    done = run("anonymize", "t.txt", "o.txt", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        tmp_path / "o.txt"
    ).read_text() == "Call <PERSON> on <PHONE_NUMBER>.\nNothing here.\nCard <CREDIT_CARD>, paid by <PERSON>.\n"
    options = ("--operator", "token", "--operator", "CREDIT_CARD=mask:4", "--key", "file:k", "--scope", "s")
    assert run("anonymize", "t.txt", "t2.txt", *options, folder=tmp_path).returncode == 0
    changed = (tmp_path / "t2.txt").read_text()
    assert "Gonzalez" not in changed and "**** **** **** 1111" in changed and changed.count("<PERSON:") == 2
    assert run("anonymize", "t.txt", "o.txt", folder=tmp_path).returncode == 3
    assert b"needs a key" in run("anonymize", "t.txt", "x.txt", "--operator", "hash", folder=tmp_path).stderr


def test_json_lines_are_anonymized_string_by_string(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a": "mail a@b.org", "b": [1, {"c": "192.168.10.1"}]}\n"x@y.org"\n')
    done = run("anonymize", "--json", "--patterns-only", "t.jsonl", "-", folder=tmp_path)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"a": "mail <EMAIL_ADDRESS>", "b": [1, {"c": "<IP_ADDRESS>"}]}, "<EMAIL_ADDRESS>",
    ]  # fmt: skip
