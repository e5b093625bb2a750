"""The project: entry points, version, constraints, requirements, and documents that name only what exists."""

import re
import tomllib
from importlib import import_module
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from governance import __version__
from governance.cli.main import COMMANDS
from governance.plugins import BUILT_IN
from governance.settings import Settings
from tools.lock import render_constraints

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]


def test_project_entry_points_are_the_built_in_plugins():
    assert dict(BUILT_IN) == PROJECT["entry-points"]["bento_governance.plugins"]


def test_project_version_is_written_once():
    assert PROJECT["dynamic"] == ["version"]
    assert "version" not in PROJECT
    assert version("bento-governance") == __version__
    assert str(Version(__version__)) == __version__
    chart = (ROOT / "helm/bento-governance/Chart.yaml").read_text()
    assert f'\nappVersion: "{__version__}"\n' in chart


def constraints() -> dict[str, list[Requirement]]:
    """The pinned versions in `constraints.txt` by package; a package has several where Pythons differ."""
    found: dict[str, list[Requirement]] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if not line.startswith("#"):
            pin = Requirement(line)
            found.setdefault(canonicalize_name(pin.name), []).append(pin)
    return found


def test_constraints_pin_every_requirement_to_a_version_that_it_allows():
    """If this fails after a requirement changed: `make lock PACKAGES=NAME`."""
    pinned = constraints()
    extras = [text for texts in PROJECT["optional-dependencies"].values() for text in texts]
    for text in (*PROJECT["dependencies"], *extras, *PYPROJECT["build-system"]["requires"]):
        wanted = Requirement(text)
        if wanted.name in ("bento-governance", "torch"):
            continue
        assert pinned.get(canonicalize_name(wanted.name)), text
        for pin in pinned[canonicalize_name(wanted.name)]:
            (exact,) = pin.specifier
            assert exact.operator == "==", pin
            assert wanted.specifier.contains(exact.version, prereleases=True), (text, str(pin))


def test_constraints_name_no_build_of_torch_and_no_index():
    assert not [name for name in constraints() if re.match(r"torch|triton$|cuda|nvidia-(?!ml-py)", name)]
    assert not re.search(r"https?:|^-|@", (ROOT / "constraints.txt").read_text(), re.MULTILINE)


def test_constraints_leave_out_torch_and_the_packages_of_its_cuda_builds():
    compiled = "--index-url x\nnumpy==2.4.6 ; python_full_version < '3.12'\ntorch==2.13.0\nnvidia-nvtx==13\ncuda-bindings==13\nnvidia-ml-py==13\n"
    pins = [line for line in render_constraints(compiled).splitlines() if not line.startswith("#")]
    assert pins == ["numpy==2.4.6 ; python_full_version < '3.12'", "nvidia-ml-py==13"]


def test_project_core_requirements_exclude_torch_and_onnxruntime():
    core = [name for name in requires("bento-governance") if "extra ==" not in name]
    assert core
    assert not [name for name in core if re.match(r"torch|onnxruntime|optuna", name)]


def test_bentofile_lists_the_requirements_of_the_distribution():
    text = (ROOT / "bentos/digits/bentofile.yaml").read_text()
    for requirement in PROJECT["dependencies"]:
        assert requirement.startswith("bentoml") or f'"{requirement}"' in text


def test_threats_name_only_tests_that_exist():
    named = re.findall(r"`(tests/[a-z0-9_/]+\.py|…)(?:::(\w+))?`", (ROOT / "THREATS.md").read_text())
    assert len(named) > 10
    content = ""
    for file, test in named:
        content = content if file == "…" else (ROOT / file).read_text()
        assert not test or f"def {test}" in content, (file, test)


def test_readme_shows_only_commands_that_exist():
    text = (ROOT / "README.md").read_text()
    for name in re.findall(r"bento-governance ([a-z-]+) ", text):
        assert name in COMMANDS
    for target in re.findall(r"^make ([a-z]+)$", text, re.MULTILINE):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text()


@pytest.mark.needs("jsonpath_rfc9535")
def test_docs_show_only_valid_settings():
    shown: set[str] = set()
    for name in ("access", "privacy", "drift", "metrics"):
        text = (ROOT / f"docs/{name}.md").read_text()
        document = tomllib.loads("\n".join(re.findall(r"```toml\n(.*?)```", text, re.DOTALL)))
        Settings.model_validate({"service": {"name": "s"}, **document})
        shown |= set(document)
    assert {"identity", "policy", "limits", "stop", "break_glass", "privacy", "drift"} <= shown


def test_docs_show_only_commands_that_exist():
    shown = (ROOT / "docs/access.md").read_text() + (ROOT / "docs/drift.md").read_text()
    for line in re.findall(r"^bento-governance (.*)$", shown, re.MULTILINE):
        words = line.split()
        command = import_module(COMMANDS[words[0]][0].partition(":")[0])
        group = getattr(command, "command", None)
        assert group is None or words[1] in group.commands, line


def test_contributing_names_only_paths_tests_and_commands_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    paths = re.findall(r"(?<![\w./])((?:[\w.-]+/)+[\w.-]*|\w+\.(?:md|py|toml|txt|yml))(?:::(\w+))?", text)
    assert len(paths) > 60
    for path, test in paths:
        if path.startswith(".venv/"):
            continue
        assert (ROOT / path).exists(), path
        assert not test or f"def {test}(" in (ROOT / path).read_text(), (path, test)
    for target in set(re.findall(r"`make ([a-z-]+)", text)):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text(), target
    example = re.search(r"`(test_\w+)`", text)[1]
    assert any(f"def {example}(" in file.read_text() for file in (ROOT / "tests").rglob("test_*.py")), example
