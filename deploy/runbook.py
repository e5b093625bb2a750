"""Makes the page that alerts link to from RUNBOOK.md; Prometheus itself serves it: `python deploy/runbook.py`."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt

HERE = Path(__file__).parent
SOURCE, PAGE = HERE / "RUNBOOK.md", HERE / "prometheus/pages/RUNBOOK.html"

# Prometheus serves the pages below /user/, and knows nothing of the rules' files there.
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


def anchor(heading: str) -> str:
    """Return a heading's anchor, as GitHub makes it of letters and spaces."""
    return heading.lower().replace(" ", "-")


def page(text: str) -> str:
    """Return the whole page; every heading has its anchor as id."""
    markdown = MarkdownIt("commonmark")
    tokens = markdown.parse(text)
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", anchor(inline.content))
    body = markdown.renderer.render(tokens, markdown.options, {})
    body = body.replace(
        '<a href="prometheus/rules/thresholds.yaml">thresholds.yaml</a>', "<code>thresholds.yaml</code>"
    )
    return f"{HEAD}{body}</html>\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(SOURCE.read_text()))
