"""scan_file, measure_file and anonymize_file, called as programs do: options, results, progress, contradictions."""

import io
from pathlib import Path

import pytest

from governance.errors import BadRequestError, ConfigurationError
from governance.privacy.change.context import Context
from governance.privacy.datasets.anonymize import AnonymizeOptions, anonymize_file, anonymize_stream
from governance.privacy.datasets.findings import FindOptions
from governance.privacy.datasets.formats.batch import ReadOptions
from governance.privacy.datasets.measure import RiskOptions, measure_file
from governance.privacy.datasets.profile import DatasetProfile
from governance.privacy.datasets.report import anonymize_report, risk_report, scan_report, write_report
from governance.privacy.datasets.risk.generalise import KAnonymity
from governance.privacy.datasets.scan import ScanOptions, scan_file

FIND = FindOptions(tagger=False)
TABLE = "a,b,note\n34,x1,mail ada@example.org\n36,x2,-\n34,x1,=1+1\n36,x2,-\n"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(TABLE)
    return path


class Recorded:
    """A progress callback that keeps its calls."""

    def __init__(self):
        self.calls = []

    def __call__(self, stage, done, total):
        self.calls.append((stage, done, total))


def test_scan_file_returns_counts_risk_and_notes(table):
    progress = Recorded()
    result = scan_file(table, ScanOptions(quasi=("a", "b"), find=FIND), progress)
    assert (result.file, result.format, result.rows, result.is_sample) == ("t.csv", "csv", 4, False)
    assert result.counts.totals() == {"EMAIL_ADDRESS": 1}
    assert result.risk.k == 2 and result.notes[0].startswith("1 cells begin like a formula")
    size = len(TABLE)
    calls = [(stage, done, size) for stage in ("Scanning", "Reading") for done in (0, size)]
    assert list(dict.fromkeys(progress.calls)) == calls
    assert scan_report(result).document()["columns"]["note"]["entities"]["EMAIL_ADDRESS"]["count"] == 1


def test_scan_file_sample_and_columns(table):
    assert scan_file(table, ScanOptions(columns=("a",), find=FIND)).counts.totals() == {}
    result = scan_file(table, ScanOptions(sample=2, find=FIND))
    assert result.rows == 4 and result.counts.rows == 2 and scan_report(result).sampled == 2
    with pytest.raises(BadRequestError, match="t.csv: there is no column 'name'"):
        scan_file(table, ScanOptions(columns=("name",), find=FIND))
    with pytest.raises(ConfigurationError, match="second pass"):
        scan_file(Path("-"), ScanOptions(quasi=("a",), find=FIND))


def test_measure_file_returns_the_risk(table, tmp_path):
    result = measure_file(table, RiskOptions(("a", "b"), ("note",)))
    assert result.risk.k == 2 and result.risk.sensitive[0].distinct_l == 1
    write_report(risk_report(result), tmp_path / "r.json")
    with pytest.raises(ConfigurationError, match="exists already"):
        write_report(risk_report(result), tmp_path / "r.json")
    with pytest.raises(ConfigurationError, match="named twice"):
        RiskOptions(("a",), ("a",))
    (tmp_path / "t.txt").write_text("a")
    with pytest.raises(ConfigurationError, match="is text"):
        measure_file(tmp_path / "t.txt", RiskOptions(("a",)))


def test_anonymize_file_reaches_k_and_reports_it(table, tmp_path):
    output, progress = tmp_path / "o.csv", Recorded()
    profile = DatasetProfile.parse({"quasi": ["a", "b"], "columns": {"note": "keep"}})
    options = AnonymizeOptions(profile, k_anonymity=KAnonymity(4), find=FIND, hierarchies={"a": {"buckets": [5]}})
    result = anonymize_file(table, output, options, progress)
    assert result.risk.k == 4 and result.plan.names == ("a", "b") and result.plan.suppressed == 0
    assert "k = 4 is reached with" in result.notes[-1]
    assert output.read_text().splitlines()[1].endswith("mail ada@example.org")
    assert [stage for stage, done, _ in progress.calls if not done] == ["Reading", "Anonymizing"]
    assert anonymize_report(result).generalised["k"] == 4
    with pytest.raises(ConfigurationError, match="exists already"):
        anonymize_file(table, output, options)
    anonymize_file(table, output, AnonymizeOptions(find=FIND, force=True))
    assert "<EMAIL_ADDRESS>" in output.read_text()


def test_anonymize_file_leaves_nothing_when_it_fails(table, tmp_path):
    profile = DatasetProfile.parse({"columns": {"missing": "drop"}})
    with pytest.raises(BadRequestError, match="no column 'missing'"):
        anonymize_file(table, tmp_path / "o.csv", AnonymizeOptions(profile, find=FIND))
    options = AnonymizeOptions(DatasetProfile(quasi=("a",)), k_anonymity=KAnonymity(5), find=FIND)
    with pytest.raises(BadRequestError, match="cannot be reached"):
        anonymize_file(table, tmp_path / "o.csv", options)
    assert not (tmp_path / "o.csv").exists()


def test_anonymize_stream_writes_to_an_open_file(table):
    target = io.BytesIO()
    result = anonymize_stream(table, target, AnonymizeOptions(find=FIND))
    assert target.getvalue().decode() == TABLE.replace("ada@example.org", "<EMAIL_ADDRESS>")
    assert result.counts.totals() == {"EMAIL_ADDRESS": 1} and result.risk is None
    options = AnonymizeOptions(DatasetProfile(quasi=("a",)), k_anonymity=KAnonymity(2))
    with pytest.raises(ConfigurationError, match="name files, not pipes"):
        anonymize_stream(table, target, options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"profile": DatasetProfile.parse({"columns": {"a": "hash"}})}, "needs a key"),
        ({"profile": DatasetProfile(quasi=("a",), sensitive=("a",))}, "something else"),
        ({"k_anonymity": KAnonymity(2)}, "needs quasi-identifiers"),
        ({"k_anonymity": KAnonymity(2, l=2), "profile": DatasetProfile(quasi=("a",))}, "needs sensitive columns"),
        (
            {"k_anonymity": KAnonymity(2), "profile": DatasetProfile.parse({"quasi": ["a"], "columns": {"a": "keep"}})},
            "choose one",
        ),
        (
            {"k_anonymity": KAnonymity(2), "profile": DatasetProfile(quasi=("a",)), "hierarchies": {"b": {}}},
            "not a quasi-identifier",
        ),
    ],
)
def test_anonymize_options_refuse_contradictions(options, said):
    with pytest.raises(ConfigurationError, match=said):
        AnonymizeOptions(**options)


def test_anonymize_options_accept_a_key_for_keyed_operators():
    profile = DatasetProfile.parse({"columns": {"a": "hash"}})
    assert AnonymizeOptions(profile, Context(b"k" * 32)).profile is profile


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", "\0"])
def test_read_options_refuse_impossible_delimiters(delimiter):
    with pytest.raises(ConfigurationError, match="delimiter"):
        ReadOptions(delimiter=delimiter)
