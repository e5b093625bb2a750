"""`make release`: what it refuses, and the version of the chart."""

import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from tools.chart import with_version
from tools.release import ReleaseError, check_members, check_ready, members, write_sums

ROOT = Path(__file__).parents[2]
CHANGELOG = "# Changelog\n\n## [1.2.0] - 2027-03-01\n\n### Added\n"
CHART = 'version: 1.2.0\nappVersion: "1.2.0"\n'


def test_release_check_accepts_a_dated_committed_version():
    check_ready(CHANGELOG, "", CHART, "1.2.0")


@pytest.mark.parametrize(
    ("changelog", "uncommitted", "chart", "said"),
    [
        (CHANGELOG.replace("2027-03-01", "unreleased"), "", CHART, r"no section `## \[1.2.0\]"),
        (CHANGELOG.replace("1.2.0", "1.2.1"), "", CHART, "no section"),
        (CHANGELOG.replace("1.2.0", "1a2.0"), "", CHART, "no section"),
        (CHANGELOG, " M setup.py", CHART, "commit first"),
        (CHANGELOG, "", CHART.replace("1.2.0", "1.1.0"), "appVersion"),
    ],
)
def test_release_check_refuses_undated_or_uncommitted_versions(changelog, uncommitted, chart, said):
    with pytest.raises(ReleaseError, match=said):
        check_ready(changelog, uncommitted, chart, "1.2.0")


def test_changelog_has_a_section_for_this_version():
    from governance import __version__

    assert f"\n## [{__version__}] - " in (ROOT / "CHANGELOG.md").read_text()


def test_release_archive_that_lacks_a_file_is_refused():
    check_members(["a.py", "model.onnx", "LICENSE"], ["a.py", "model.onnx"], "x.whl")
    with pytest.raises(ReleaseError, match=r"x.whl lacks model.onnx \(1 files\)"):
        check_members(["a.py"], ["a.py", "model.onnx"], "x.whl")


@pytest.mark.parametrize("stray", ["a/__pycache__/a.pyc", "bentos/digits/state/audit/log", "my.key", "m.sealed"])
def test_release_archive_with_caches_keys_or_state_is_refused(stray):
    with pytest.raises(ReleaseError, match="holds"):
        check_members(["a.py", stray], ["a.py"], "x.whl")


def test_release_sdist_and_wheel_members_have_the_same_names(tmp_path):
    (tmp_path / "a.py").write_text("")
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as wheel:
        wheel.write(tmp_path / "a.py", "governance/a.py")
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as sources:
        sources.add(tmp_path / "a.py", "x-1.0/governance/a.py")
    assert members(tmp_path / "x.whl") == members(tmp_path / "x.tar.gz") == {"governance/a.py"}


def test_release_checksums_cover_only_the_archives(tmp_path):
    (tmp_path / "x.whl").write_text("wheel")
    (tmp_path / "note.txt").write_text("note")
    write_sums(tmp_path)
    (line,) = (tmp_path / "SHA256SUMS").read_text().splitlines()
    assert line.endswith("  x.whl")
    assert len(line.split()[0]) == 64


@pytest.mark.parametrize(
    ("version", "chart"), [("0.2.0", "0.2.0"), ("0.2.0.dev1", "0.2.0-dev.1"), ("1.0.0rc2", "1.0.0-rc.2")]
)
def test_release_chart_version_equals_the_version(version, chart):
    assert with_version(CHART, version) == f'version: {chart}\nappVersion: "{version}"\n'


def test_release_packages_contain_every_file():
    """A data file outside of the patterns in pyproject.toml would be missing from wheels; `.pyx` files are sources."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    for package in ("governance", "training"):
        installed = {path for pattern in patterns[package] for path in (ROOT / package).glob(pattern)}
        made = {".py", ".pyc", ".pyx", ".so", ".c", ".cpp"}
        files = {path for path in (ROOT / package).rglob("*") if path.is_file() and path.suffix not in made}
        assert files
        assert sorted(files - installed) == []
