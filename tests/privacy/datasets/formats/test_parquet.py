"""Parquet and typed columns through the commands: types, dates, decompression bombs, and k-anonymity on real data."""

import base64
import json
import os
import sys
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_diabetes
from statsmodels.datasets import fair, randhie

from governance.cli.main import main


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "k").write_text(base64.b64encode(b"k" * 32).decode())
    (tmp_path / "k").chmod(0o600)

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


TABLE = {
    "name": pa.array(["Maria Gonzalez", None]).dictionary_encode(),
    "age": pa.array([42, 7], pa.int16()),
    "cost": pa.array([Decimal("10.50"), Decimal("21.25")]),
    "weight": pa.array([70.5, float("nan")]),
    "birth": pa.array([date(1980, 1, 2), None]),
    "seen": pa.array([datetime(2024, 1, 2, 8, 30), datetime(2024, 1, 12)], pa.timestamp("ms")),
    "notes": pa.array([["mail a@b.org", "ok"], []]),
    "flag": pa.array([True, None]),
}


def test_anonymize_parquet_keeps_types_that_the_operator_keeps(call, tmp_path):
    pq.write_table(pa.table(TABLE).replace_schema_metadata({"author": "Maria Gonzalez"}), "t.parquet")
    rules = (
        "age=bucket:10",
        "cost=noise:2",
        "weight=noise:1",
        "birth=shift-date:30",
        "seen=shift-date:30",
        "flag=hash",
    )
    columns = [part for rule in rules for part in ("--column", rule)]
    code, _, err = call("anonymize", "t.parquet", "o.parquet", *columns, "--key", "file:k")
    assert code == 0, err
    table = pq.read_table("o.parquet")
    kinds = {field.name: field.type for field in table.schema}
    assert [str(kinds[name]) for name in ("name", "age", "birth", "seen", "flag")] == [
        "string", "int16", "date32[day]", "timestamp[ms]", "string",
    ]  # fmt: skip
    assert kinds["cost"] == TABLE["cost"].type and kinds["notes"] == TABLE["notes"].type
    first, second = table.to_pylist()
    assert first["name"] == "<PERSON>" and second["name"] is None and (first["age"], second["age"]) == (40, 0)
    assert first["notes"] == ["mail <EMAIL_ADDRESS>", "ok"] and first["cost"] != Decimal("10.50")
    assert second["seen"].date() - first["seen"].date() == date(2024, 1, 12) - date(2024, 1, 2)
    assert first["seen"].time().hour == 8 and first["birth"] != date(1980, 1, 2)
    assert b"Gonzalez" not in (tmp_path / "o.parquet").read_bytes()


def test_anonymize_parquet_refuses_typed_findings_without_a_rule(call, tmp_path):
    for name, values in {
        "age": [42],
        "birth": [date(1980, 1, 2)],
        "blob": [b"\xff\x00"],
        "phone": [4155552671],
    }.items():
        pq.write_table(pa.table({name: values}), "t.parquet")
        code, _, err = call("anonymize", "--no-tagger", "t.parquet", "o.parquet")
        assert code == 6 and f"row 1, column '{name}'" in err and "42" not in err and "1980" not in err
        assert not (tmp_path / "o.parquet").exists()
        assert call("anonymize", "t.parquet", "o.parquet", "--column", f"{name}=keep", "--force")[0] == 0
        os.unlink("o.parquet")


def test_scan_parquet_reads_a_decompression_bomb_in_little_memory(call):
    long = "nothing to be found here " * 40_000
    pq.write_table(
        pa.table({"a": pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array([long]))}),
        "b.parquet",
    )
    before = pa.total_allocated_bytes()
    assert call("scan", "--no-tagger", "b.parquet")[0] == 0
    assert pa.default_memory_pool().max_memory() - before < 2**30  # unpacked it would be 20 GB


def test_scan_parquet_refuses_damaged_files(call, tmp_path):
    pq.write_table(pa.table({"a": ["x"] * 100}), "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    for content in (
        b"",
        b"PAR1",
        whole[:-20],
        whole[:-8] + b"\xff\xff\xff\x7fPAR1",
        b"PAR1" + b"\x00" * 100 + b"PAR1",
        whole[:4] + b"\xff" * 40 + whole[44:],
    ):
        (tmp_path / "d.parquet").write_bytes(content)
        code, _, err = call("scan", "--no-tagger", "d.parquet")
        assert code == 6 and "cannot be read as Parquet" in err
    assert call("scan", "t.parquet", "--columns", "b")[0] == 6


def test_anonymize_k_generalises_a_survey_and_measures_the_output(call, tmp_path):
    table = fair.load_pandas().data
    table.to_csv("fair.csv", index=False)
    quasi = ("--quasi", "age,yrs_married,children", "--sensitive", "occupation")
    common = ("fair.csv", "o.csv", "--no-tagger", *quasi, "--column", "religious=keep")
    code, _, err = call(
        "anonymize", *common, "--k", 10, "--l", 2, "--max-suppression", 0.02, "--report", "r.json", "--report", "r.html"
    )
    assert code == 0, err
    assert "k = 10 is reached" in err
    risk = json.loads(call("risk", "o.csv", *quasi, "--json")[1])
    assert risk["k"] >= 10 and risk["sensitive"][0]["distinct_l"] >= 2
    report = json.loads((tmp_path / "r.json").read_text())
    gone = report["generalised"]["rows_suppressed"]
    assert risk["rows"] + gone == len(table) and gone <= 0.02 * len(table)
    assert report["risk"]["k"] == risk["k"] and "How it was generalised" in (tmp_path / "r.html").read_text()
    assert json.loads(call("risk", "fair.csv", *quasi, "--json")[1])["k"] < 10
    for code, wrong in (
        (6, ("--k", 7000, *quasi)), (2, ("--k", 5)), (2, ("--l", 2)), (2, ("--k", 5, "--quasi", "age", "--l", 2)),
        (3, ("--k", 5, "--quasi", "age", "--column", "age=drop")), (3, ("--k", 5, "--quasi", "age", "--sensitive", "age")),
        (6, ("--k", 5, "--quasi", "nope")),
    ):  # fmt: skip
        assert call("anonymize", "fair.csv", "x.csv", *wrong)[0] == code, wrong
        assert not (tmp_path / "x.csv").exists()


def test_anonymize_k_discards_an_output_that_misses_l(call, tmp_path):
    (tmp_path / "t.csv").write_text("age,illness\n" + "40,flu\n40,cold\n" * 5)
    wanted = ("--no-tagger", "--k", 2, "--l", 2, "--quasi", "age", "--sensitive", "illness")
    code, _, err = call("anonymize", "t.csv", "o.csv", *wanted, "--column", "illness=replace")
    assert code == 6 and "the output is discarded" in err and not (tmp_path / "o.csv").exists()
    assert call("anonymize", "t.csv", "o.csv", *wanted)[0] == 0


def test_anonymize_k_treats_empty_cells_as_one_value(call, tmp_path):
    ages = [float("nan")] * 4 + [float(age) for age in (20, 21, 22, 23, 60, 61, 62, 63)]
    pq.write_table(pa.table({"age": ages}), "t.parquet")
    (tmp_path / "t.csv").write_text("age,x\n" + "".join(f"{'' if age != age else int(age)},-\n" for age in ages))
    for name in ("t.parquet", "t.csv"):
        assert json.loads(call("risk", name, "--quasi", "age", "--json")[1])["classes"] == 9
        code, _, err = call("anonymize", name, f"o{name}", "--no-tagger", "--k", 4, "--quasi", "age")
        assert code == 0 and "ranges of" in err
    assert set(pq.read_table("ot.parquet")["age"].to_pylist()) == {None, "20-24", "60-64"}
    assert (tmp_path / "ot.csv").read_text() == "age,x\n" + ",-\n" * 4 + "20-24,-\n" * 4 + "60-64,-\n" * 4


def test_anonymize_k_uses_given_hierarchies(call, tmp_path):
    (tmp_path / "t.csv").write_text(
        "job,day\n" + "".join(f"{job},2024-01-01\n" * 2 for job in ("nurse", "midwife", "cook", "baker"))
    )
    (tmp_path / "h.toml").write_text(
        '[job.table]\nnurse=["care"]\nmidwife=["care"]\ncook=["food"]\nbaker=["food"]\n[day]\ndates=["year"]\n'
    )
    code, _, err = call("anonymize", "t.csv", "o.csv", "--k", 4, "--quasi", "job,day", "--hierarchy", "h.toml")
    assert code == 0, err
    assert (tmp_path / "o.csv").read_text() == "job,day\n" + "care,2024-01-01\n" * 4 + "food,2024-01-01\n" * 4
    (tmp_path / "h.toml").write_text("[nobody]\nbuckets=[1]\n")
    assert call("anonymize", "t.csv", "p.csv", "--k", 4, "--quasi", "job", "--hierarchy", "h.toml")[0] == 3


def test_scan_real_tables_without_personal_data(call):
    randhie.load_pandas().data.head(3000).to_csv("randhie.csv", index=False)
    load_diabetes(as_frame=True).frame.to_parquet("diabetes.parquet")
    for name in ("randhie.csv", "diabetes.parquet"):
        code, shown, err = call("scan", name)
        assert code == 0, err
        assert "CREDIT_CARD" not in shown and "PERSON" not in shown


NESTED = {
    "map": (pa.map_(pa.string(), pa.string()), [[("a@b.org", "c@d.org"), ("x", None)], None]),
    "map of lists": (pa.map_(pa.string(), pa.list_(pa.string())), [[("k", ["ok", "a@b.org"])]]),
    "struct of map": (pa.struct([("m", pa.map_(pa.string(), pa.string()))]), [{"m": [("k", "a@b.org")]}]),
    "list of maps": (pa.list_(pa.map_(pa.string(), pa.string())), [[[("k", "a@b.org")], []]]),
    "large list": (pa.large_list(pa.large_string()), [["a@b.org"]]),
    "fixed list": (pa.list_(pa.string(), 2), [["a@b.org", "ok"]]),
}


@pytest.mark.parametrize(("kind", "values"), NESTED.values(), ids=NESTED)
def test_parquet_columns_of_any_nesting_are_searched_and_changed(call, tmp_path, kind, values):
    pq.write_table(pa.table({"c": pa.array(values, kind)}), "t.parquet")
    _, out, _ = call("scan", "--no-tagger", "t.parquet")
    assert "EMAIL_ADDRESS" in out and "No personal data" not in out
    assert call("anonymize", "--no-tagger", "t.parquet", "o.parquet")[0] == 0
    table = pq.read_table("o.parquet")
    assert table.schema.field("c").type == kind
    assert "@" not in str(table.to_pylist()) and "<EMAIL_ADDRESS>" in str(table.to_pylist())
    assert str(table.to_pylist()).count("ok") == str(values).count("ok")


@pytest.mark.parametrize(
    "column",
    [
        pa.array([datetime(1980, 1, 2, 8, 30)], pa.timestamp("ms")),
        pa.array([datetime(1980, 1, 2, 8, 30)], pa.timestamp("us", "UTC")),
        pa.array([date(1980, 1, 2)], pa.date64()),
        pa.array([[datetime(1980, 1, 2)]], pa.list_(pa.timestamp("s"))),
        pa.array([datetime(1980, 1, 2)]).dictionary_encode(),
    ],
    ids=lambda column: str(column.type),
)
def test_parquet_time_stamps_are_refused_like_dates(call, column):
    pq.write_table(pa.table({"c": column}), "t.parquet")
    assert "DATE_TIME" in call("scan", "--no-tagger", "t.parquet")[1]
    code, _, err = call("anonymize", "--no-tagger", "t.parquet", "o.parquet")
    assert code == 6 and "row 1, column 'c'" in err and "1980" not in err


def test_parquet_values_that_cannot_be_searched_are_refused(call):
    for column in (pa.array([b"\xff\x00"]), pa.array([[b"\xff\x00"]]), pa.array([b"\xff\x00\xff"], pa.binary(3))):
        pq.write_table(pa.table({"blob": column, "text": ["a@b.org"]}), "t.parquet")
        for arguments in (("scan", "t.parquet"), ("scan", "t.parquet", "--sample", "1"), ("anonymize", "t.parquet", "o.parquet")):  # fmt: skip
            code, _, err = call(*arguments, "--no-tagger")
            assert code == 6 and "row 1, column 'blob'" in err
        assert call("scan", "--no-tagger", "t.parquet", "--columns", "text")[0] != 6
