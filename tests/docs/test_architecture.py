"""docs/architecture.md: its table has each package in the layer that the import contracts give it, and its paths exist."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/architecture.md").read_text()
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def test_architecture_shows_each_package_in_its_layer():
    layers = next(contract["layers"] for contract in CONTRACTS if contract.get("containers") == ["governance"])
    expected = {name: number for number, layer in enumerate(reversed(layers)) for name in re.findall(r"\w+", layer)}
    shown, number = {}, 0
    for layer, packages in re.findall(r"^\| (\d?) ?\| ((?:`\w+/?`(?:, )?)+) \|", TEXT, re.MULTILINE):
        number = int(layer) if layer else number
        shown |= dict.fromkeys(re.findall(r"`(\w+)/?`", packages), number)
    assert shown == expected


def test_architecture_names_folders_and_files_that_exist():
    rows = re.findall(r"^\| [^|]+ \| (`[\w/`., ;]+.*) \|$", TEXT.partition("## A request in the code")[2], re.MULTILINE)
    assert len(rows) > 10
    for row in rows:
        folder = ""
        for path in re.findall(r"`([\w/]+(?:\.py|/))`", row):
            folder = path.rpartition("/")[0] or folder
            assert (ROOT / "governance" / (path if "/" in path else f"{folder}/{path}")).exists(), path
