"""`privacy scan|anonymize|risk`, run as programs and in this process."""

import base64
import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from governance.cli.main import main

BIN = Path(sys.executable).parent / "bento-governance"
TEXT = "Call Maria Gonzalez on 415-555-2671.\n\nNothing here.\r\nCard 4111 1111 1111 1111, paid by Maria Gonzalez."


def run(*arguments, given=None, folder=None):
    """Run the command as a program, with `given` on its standard input."""
    return subprocess.run(
        [str(BIN), "privacy", *map(str, arguments)], input=given, capture_output=True, check=False, cwd=folder
    )


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Return a function that runs the command in this process, and returns exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["bento-governance", "privacy", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return call


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


# scan --json


def test_scan_json_answers_each_line():
    lines = [
        {"id": 1, "text": "Dr. Maria Gonzalez, 张伟 and 415-555-2671"},
        {"id": {"a": [1.5, "é\ud800"]}, "text": "half a surrogate \ud800, mail a@b.org"},
        {"id": None, "text": "nothing"},
    ]
    done = run("scan", "--json", "-", given="\n".join(json.dumps(line) for line in lines).encode())
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [line["id"] for line in lines]
    found = [
        [(f["entity"], line["text"][f["start"] : f["end"]]) for f in answer["findings"]]
        for line, answer in zip(lines, answers, strict=True)
    ]
    assert found[0] == [("PERSON", "Maria Gonzalez"), ("PERSON", "张伟"), ("PHONE_NUMBER", "415-555-2671")]
    assert ("EMAIL_ADDRESS", "a@b.org") in found[1] and found[2] == []
    assert all(0 <= f["score"] <= 1 for f in answers[0]["findings"])


def test_scan_json_answers_a_pipe_at_once():
    command = [str(BIN), "privacy", "scan", "--json", "--no-tagger", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for number in range(3):
            process.stdin.write(json.dumps({"id": number, "text": "mail a@b.org"}).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == number
        process.stdin.close()
        assert process.wait(30) == 0


def test_scan_json_ends_quietly_when_its_output_is_closed():
    command = [str(BIN), "privacy", "scan", "--json", "--no-tagger", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        process.stdin.write(b'{"id": 1, "text": "a"}\n' * 10)
        process.stdin.close()
        assert process.wait(30) == 1 and b"Traceback" not in process.stderr.read()


BAD_LINES = [
    b"nope", b"[]", b'{"id": 1}', b'{"id": 1, "text": 2}', b"\xff\xfe", b"[" * 50_000, b'{"id": 1e999, "text": "a"}',
    b'{"id": NaN, "text": "a"}', b'{"id": 1, "id": 2, "text": "a"}',
]  # fmt: skip


def test_scan_json_answers_invalid_lines_with_an_error(call, tmp_path):
    good = b'{"id": 2, "text": "a@b.org"}'
    (tmp_path / "l.jsonl").write_bytes(b"".join(line + b"\n" + good + b"\n" for line in BAD_LINES))
    code, out, err = call("scan", "--json", "--no-tagger", "l.jsonl")
    answers = [json.loads(answer) for answer in out.splitlines()]
    assert code == 6 and f"{len(BAD_LINES)} lines" in err and len(answers) == 2 * len(BAD_LINES)
    for number, (bad, fine) in enumerate(zip(answers[::2], answers[1::2], strict=True)):
        assert bad["id"] is None and f"line {2 * number + 1} " in bad["error"]
        assert fine["id"] == 2 and fine["findings"][0]["end"] == 7


# text


def test_scan_prints_kinds_and_no_values(call, tmp_path):
    (tmp_path / "t.txt").write_bytes(TEXT.encode())
    code, shown, _ = call("scan", "t.txt", "--report", "r.json", "--report", "r.html")
    assert code == 0 and "PERSON" in shown and "PHONE_NUMBER" in shown and "CREDIT_CARD" in shown
    for text in (shown, (tmp_path / "r.json").read_text(), (tmp_path / "r.html").read_text()):
        assert "Gonzalez" not in text and "2671" not in text and "1111" not in text
    page = (tmp_path / "r.html").read_text()
    assert "<script" not in page and "http" not in page.replace("http-equiv", "") and "<caption>" in page
    assert call("scan", "t.txt", "--report", "r.json")[0] == 3
    (tmp_path / "none.txt").write_text("nothing\n")
    assert "No personal data" in call("scan", "--patterns-only", "none.txt")[1]
    assert call("scan", "absent.txt")[0] == 3 and call("scan", tmp_path)[0] == 3


def test_anonymize_text_keeps_everything_but_findings(call, tmp_path):
    (tmp_path / "t.txt").write_bytes(TEXT.encode())
    code, _, err = call("anonymize", "t.txt", "o.txt")
    assert code == 0, err
    assert (tmp_path / "o.txt").read_bytes() == (
        b"Call <PERSON> on <PHONE_NUMBER>.\n\nNothing here.\r\nCard <CREDIT_CARD>, paid by <PERSON>."
    )
    (tmp_path / "k").write_text(base64.b64encode(b"k" * 32).decode())
    (tmp_path / "k").chmod(0o600)
    options = ("--operator", "token", "--operator", "CREDIT_CARD=mask:4", "--key", "file:k", "--scope", "s")
    assert call("anonymize", "t.txt", "t2.txt", *options)[0] == 0
    changed = (tmp_path / "t2.txt").read_text()
    assert "Gonzalez" not in changed and "**** **** **** 1111" in changed and changed.count("<PERSON:") == 2
    assert call("anonymize", "t.txt", "o.txt")[0] == 3
    assert call("anonymize", "o.txt", "o.txt", "--force")[0] == 0
    code, _, err = call("anonymize", "t.txt", "x.txt", "--operator", "hash")
    assert code == 3 and "needs a key" in err and not (tmp_path / "x.txt").exists()


def test_anonymize_text_removes_a_private_key_of_many_lines(call, tmp_path):
    body = "\n".join(["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"] * 20)
    (tmp_path / "t.txt").write_text(f"a\n-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\nb\n")
    assert call("anonymize", "--no-tagger", "t.txt", "o.txt")[0] == 0
    written = (tmp_path / "o.txt").read_text()
    assert written.startswith("a\n<PRIVATE_KEY>") and written.endswith("\nb\n") and "MII" not in written


def test_anonymize_a_pipe():
    done = run("anonymize", "--no-tagger", "-", "-", given="mail é@b.org or a@b.org\n".encode())
    assert done.stdout.decode().count("<EMAIL_ADDRESS>") >= 1 and b"a@b.org" not in done.stdout


@pytest.mark.parametrize(
    ("encoding", "mark"), [("cp1252", b""), ("utf-16", b"\xff\xfe"), ("utf-8-sig", b"\xef\xbb\xbf")]
)
def test_anonymize_keeps_the_encoding(call, tmp_path, encoding, mark):
    (tmp_path / "t.csv").write_bytes("name;mail\r\nJürgen;a@b.org\r\n".encode(encoding))
    named = ("--encoding", encoding) if not mark else ()
    code, _, err = call("anonymize", "--no-tagger", "t.csv", "o.csv", *named)
    assert code == 0, err
    written = (tmp_path / "o.csv").read_bytes()
    assert written.startswith(mark)
    assert written.decode(encoding) == "name;mail\r\nJürgen;<EMAIL_ADDRESS>\r\n"


def test_anonymize_refuses_invalid_utf_8_with_the_line_number(call, tmp_path):
    (tmp_path / "t.csv").write_bytes(b"name,mail\nA,b\nJ\xfcrgen,a@b.org\n")
    code, _, err = call("anonymize", "t.csv", "o.csv")
    assert code == 6 and "line 3" in err and "--encoding" in err and not (tmp_path / "o.csv").exists()
    assert call("scan", "t.csv", "--encoding", "nope")[0] == 3


# JSON lines


def test_anonymize_json_lines(call, tmp_path):
    (tmp_path / "t.jsonl").write_text(
        '{"b": [1, {"c": "192.168.10.1"}], "a": "mail a@b.org", "n": null}\n\n"x@y.org"\n{"age": 42, "ssn": 5}\n'
    )
    code, _, err = call(
        "anonymize", "--json", "--no-tagger", "t.jsonl", "o.jsonl", "--column", "age=bucket:10", "--column", "ssn=drop"
    )
    assert code == 0, err
    assert (tmp_path / "o.jsonl").read_text().splitlines() == [
        '{"b":[1,{"c":"<IP_ADDRESS>"}],"a":"mail <EMAIL_ADDRESS>","n":null}', '"<EMAIL_ADDRESS>"', '{"age":40}',
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line", ["nope", '{"a": 1e999}', "[" * 3000 + "]" * 3000, '{"m@x.org": 1}', '{"a": {"m@x.org": 1}}']
)
def test_anonymize_json_lines_refuses_what_it_cannot_search(call, tmp_path, line):
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n' + line + "\n")
    code, _, err = call("anonymize", "--no-tagger", "t.jsonl", "o.jsonl")
    assert code == 6 and "x.org" not in err and not (tmp_path / "o.jsonl").exists()


# CSV

CSV = 'id;name;note;age\n1;Maria Gonzalez;"call 415-555-2671; or ""mail"" a@b.org\nsoon";42\n2;;=1+1;7\n'


def test_anonymize_csv_keeps_the_dialect_and_warns_of_formulas(call, tmp_path):
    (tmp_path / "t.csv").write_text(CSV)
    code, _, err = call(
        "anonymize", "--no-tagger", "t.csv", "o.csv", "--column", "name=drop", "--column", "age=bucket:10"
    )
    assert code == 0, err
    assert (tmp_path / "o.csv").read_text() == (
        'id;note;age\n1;"call <PHONE_NUMBER>; or ""mail"" <EMAIL_ADDRESS>\nsoon";40\n2;=1+1;0\n'
    )
    assert "1 cells begin like a formula" in err


def test_scan_csv_uses_the_column_name(call, tmp_path):
    (tmp_path / "t.csv").write_text("mrn,other\n84723910,84723910\n")
    _, shown, _ = call("scan", "--no-tagger", "t.csv")
    assert "MEDICAL_RECORD_NUMBER" in shown and "other" not in shown


HOSTILE = {
    "ragged": (b"a,b\n1,2\n3\n", "row 2 (line 3)"),
    "too many": (b"a,b\n1,2,3\n", "row 1 (line 2)"),
    "NUL": (b"a,b\n1,\0\n", "line 2 has a NUL"),
    "twice": (b"a,b,a\n1,2,3\n", "twice"),
    # Names are counted before they are compared: comparing a million names would take hours.
    "wide": (b"a," * 200_000 + b"a\n", "more than 10000 columns"),
    "open quote": (b'a,b\n"1,2\n' + b"x" * 1000, "is not CSV"),
    "no header": (b"a@b.org,1\nc@d.org,2\n", "--no-header"),
    "a gigantic cell": (b"a,b\n" + b"x" * (17 * 2**20) + b",1\n", "is not CSV"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_anonymize_csv_refuses_hostile_files_without_showing_values(call, tmp_path, name):
    content, sentence = HOSTILE[name]
    (tmp_path / "t.csv").write_bytes(content)
    code, _, err = call("anonymize", "--no-tagger", "t.csv", "o.csv")
    assert code == 6 and sentence in err and "b.org" not in err and os.listdir(tmp_path) == ["t.csv"]


@pytest.mark.parametrize("name", ["t.csv", "t.txt", "t.jsonl"])
def test_scan_and_anonymize_empty_files(call, tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    assert call("scan", "--no-tagger", name)[:2] == (0, "No personal data was found.\n")
    assert call("anonymize", "--no-tagger", name, "o")[0] == 0 and (tmp_path / "o").read_bytes() == b""


def test_scan_sample_is_drawn_from_the_whole_file(call, tmp_path):
    (tmp_path / "t.csv").write_text("a\n" + "x\n" * 9000 + "a@b.org\n" * 9000)
    call("scan", "--no-tagger", "t.csv", "--sample", "400", "--report", "r.json")
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["rows"] == 18_000 and report["sampled"] == 400
    assert 140 < report["columns"]["a"]["entities"]["EMAIL_ADDRESS"]["count"] < 260


def test_anonymize_profile(call, tmp_path):
    (tmp_path / "t.csv").write_text(
        "patient,visit,name,note,ward\n7,2024-01-01,Ann Lee,a@b.org,w\n7,2024-01-11 08:00,Bo Lee,-,w\n8,2024-01-01,X,-,w\n"
    )
    (tmp_path / "k").write_text(base64.b64encode(b"k" * 32).decode())
    (tmp_path / "k").chmod(0o600)
    (tmp_path / "p.toml").write_text(
        'subject = "patient"\nscope = "s"\n[columns]\nvisit = "shift-date:30"\n'
        'name = {operator = "hash", entity = "PERSON"}\nward = "keep"\npatient = "hash"\n[entities]\nEMAIL_ADDRESS = "redact"\n'
    )
    code, _, err = call("anonymize", "--no-tagger", "t.csv", "o.csv", "--profile", "p.toml", "--key", "file:k")
    assert code == 0, err
    first, second, third = rows_of(tmp_path / "o.csv")
    assert first["note"] == "" and first["ward"] == "w" and len(first["name"]) == 64
    assert second["visit"].endswith(" 08:00") and third["visit"] != first["visit"] != "2024-01-01"
    assert int(second["visit"][8:10]) - int(first["visit"][8:10]) in (10, -20, -21)
    assert first["patient"] == second["patient"] != third["patient"]
    for bad in ("colums = 1", '[columns]\nname = "nope"', "quasi = 3", '[columns]\nname = {operator = "hash", x = 1}'):
        (tmp_path / "p.toml").write_text(bad)
        assert call("anonymize", "t.csv", "o2.csv", "--profile", "p.toml", "--key", "file:k")[0] == 3
    assert call("anonymize", "t.csv", "o2.csv", "--column", "nope=drop")[0] == 6


# Complete or absent


def test_anonymize_leaves_no_file_when_killed(tmp_path):
    ends = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
    command = [str(BIN), "privacy", "anonymize", "--no-tagger", "-"]
    begun = [
        subprocess.Popen(
            [*command, f"{end}.txt"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            # A background process ignores SIGINT, and its children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        for end in ends
    ]
    for process, end in zip(begun, ends, strict=True):
        # After this much input the command is surely writing.
        process.stdin.write(b"mail a@b.org\n" * 100_000)
        process.stdin.flush()
        process.send_signal(end)
        _, errors = process.communicate(timeout=60)
        assert process.returncode != 0 and b"Traceback" not in errors
    assert os.listdir(tmp_path) == []


def test_anonymize_does_not_replace_a_file_that_appeared_meanwhile(tmp_path):
    command = [str(BIN), "privacy", "anonymize", "--no-tagger", "in.txt", "o.txt"]
    os.mkfifo(tmp_path / "in.txt")
    with subprocess.Popen(command, stderr=subprocess.PIPE, cwd=tmp_path) as process:
        with (tmp_path / "in.txt").open("wb") as pipe:
            pipe.write(b"a@b.org\n" * 2**16)
            (tmp_path / "o.txt").write_text("mine")
        assert process.wait(30) == 3 and b"exists already" in process.stderr.read()
    assert (tmp_path / "o.txt").read_text() == "mine" and len(os.listdir(tmp_path)) == 2


def test_privacy_help_has_examples(call):
    for name in ("scan", "anonymize", "risk"):
        code, shown, _ = call(name, "--help")
        assert code == 0 and f"bento-governance privacy {name} " in shown
