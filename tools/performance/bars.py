"""A picture of horizontal bars as SVG, in two panels side by side; readable on light and on dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

LABEL, PANEL, GAP, ROW, TOP, BOTTOM, FIGURE = 260, 290, 40, 26, 74, 20, 78
STYLE = """\
    .bg{fill:#fff;stroke:#d5dae3}.bar{fill:#8d9bb0}.ours{fill:#2f5fc4}.t{fill:#172130}.s{fill:#4a586d;font-size:12px}
    .h{font-weight:600;font-size:15px}.e{text-anchor:end}
    @media (prefers-color-scheme: dark){
      .bg{fill:#12161d;stroke:#333c4a}.bar{fill:#66758c}.ours{fill:#7aa2f7}.t{fill:#e8ecf3}.s{fill:#b3bdcc}
    }"""


@dataclass(frozen=True, slots=True)
class Panel:
    """One column of bars: its heading, and a value with its text for each row."""

    heading: str
    values: Sequence[tuple[float, str]]


def draw_bars(title: str, labels: Sequence[str], ours: Sequence[bool], panels: Sequence[Panel]) -> str:
    """Return an SVG document.

    Args:
        title: the picture's heading.
        labels: the name of each row.
        ours: whether a row stands out.
        panels: the columns, each with one value for each row; its longest bar is as wide as the panel.
    """
    width = LABEL + len(panels) * (PANEL + GAP)
    height = TOP + ROW * len(labels) + BOTTOM
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="system-ui, -apple-system, \'Segoe UI\', sans-serif" font-size="13" role="img" '
        'aria-labelledby="title text">',
        f'  <title id="title">{escape(title)}</title>',
        f'  <desc id="text">{escape(_in_words(labels, panels))}</desc>',
        f"  <style>\n{STYLE}\n  </style>",
        f'  <rect class="bg" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>',
        f'  <text class="t h" x="20" y="30">{escape(title)}</text>',
    ]
    for row, label in enumerate(labels):
        y = TOP + ROW * row + 14
        lines.append(f'  <text class="t e" x="{LABEL - 10}" y="{y}">{escape(label)}</text>')
    for number, panel in enumerate(panels):
        lines += _panel(panel, LABEL + number * (PANEL + GAP), ours)
    return "\n".join([*lines, "</svg>", ""])


def _panel(panel: Panel, x: int, ours: Sequence[bool]) -> list[str]:
    longest = max(value for value, _ in panel.values)
    lines = [f'  <text class="s" x="{x}" y="{TOP - 14}">{escape(panel.heading)}</text>']
    for row, (value, text) in enumerate(panel.values):
        y, length = TOP + ROW * row, max(1.0, value / longest * (PANEL - FIGURE))
        kind = "bar ours" if ours[row] else "bar"
        lines.append(f'  <rect class="{kind}" x="{x}" y="{y}" width="{length:.1f}" height="18" rx="2"/>')
        lines.append(f'  <text class="t" x="{x + length + 6:.1f}" y="{y + 14}">{escape(text)}</text>')
    return lines


def _in_words(labels: Sequence[str], panels: Sequence[Panel]) -> str:
    rows = (
        f"{label}: " + ", ".join(f"{panel.values[row][1]} {panel.heading}" for panel in panels)
        for row, label in enumerate(labels)
    )
    return ". ".join(rows) + "."
