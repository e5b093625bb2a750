"""The README files of deployment and chart: their links lead to files."""

import re

import pytest

from deploy.prometheus.rules import ROOT

FILES = ("deploy/README.md", "deploy/RUNBOOK.md", "deploy/image/README.md", "helm/bento-governance/README.md")


@pytest.mark.parametrize("name", FILES)
def test_readme_links_lead_to_existing_files(name):
    file = ROOT / name
    for link in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", file.read_text()):
        assert (file.parent / link).exists(), link


def test_deploy_readme_names_existing_paths():
    for path in re.findall(r"^\| `([^|]+)` \|", (ROOT / "deploy/README.md").read_text(), re.MULTILINE):
        for part in path.split("`, `"):
            assert (ROOT / "deploy" / part).exists(), part
