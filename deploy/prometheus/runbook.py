"""Turns `deploy/RUNBOOK.md` into the page that alerts link to; Prometheus serves it at `/user/RUNBOOK.html`."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "deploy/RUNBOOK.md"
PAGE = ROOT / "deploy/prometheus/pages/RUNBOOK.html"
# Prometheus serves only the pages' folder, so a link to the rules would lead nowhere.
THRESHOLDS = '<a href="../helm/bento-governance/files/rules/thresholds.yaml">thresholds.yaml</a>'

HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>bento-governance: runbook</title>
<style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
pre { overflow-x: auto; padding: .7rem; border: 1px solid #8886; border-radius: .4rem; font-size: .85rem }
h3 { margin-top: 2.5rem; scroll-margin-top: 1rem }
h3:target { border-left: .35rem solid #e08a00; padding-left: .6rem }
</style>
"""


def files() -> dict[str, str]:
    """Return the page's text by its path relative to the repository's root."""
    return {str(PAGE.relative_to(ROOT)): page(SOURCE.read_text(encoding="utf-8"))}


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading of letters and spaces: `Service level` is `service-level`."""
    return heading.lower().replace(" ", "-")


def page(markdown_text: str) -> str:
    """Return the HTML page of a Markdown text; each heading gets its anchor as id."""
    markdown = MarkdownIt("commonmark")
    tokens = markdown.parse(markdown_text)
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", anchor(inline.content))
    body = markdown.renderer.render(tokens, markdown.options, {})
    return f"{HEAD}{body.replace(THRESHOLDS, '<code>thresholds.yaml</code>')}</html>\n"
