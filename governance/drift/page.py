"""The drift report as one HTML page: for each subject, the distribution in the validation data next to the recent one.

The page needs no script and no other file, and follows the reader's light or dark theme; the numbers of each chart are
also given in words and in a table.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from itertools import pairwise

from governance.drift.comparison import DRIFTED, STATES, STEADY, ModelDrift, SubjectDrift
from governance.drift.profile import MISSING, ReferenceProfile, Subject
from governance.drift.statistics import Counts
from governance.drift.window import WindowCounts

WIDTH, HEIGHT, FOOT, LEFT, LETTER = 440, 140, 22, 34, 6
SIGNS = ("●", "▲", "■")
EXPLAINED = {
    "brightness": "mean of an image's pixels",
    "contrast": "standard deviation of an image's pixels",
    "sharpness": "mean difference of neighbouring pixels",
    "orientation": "1: all edges vertical, −1: all horizontal",
    "length": "number of characters of a text",
    "value": "value of the column",
    "class": "the likeliest class of each answer",
    "confidence": "probability of the likeliest class",
    "entropy": "entropy of the class probabilities, in nats",
}
STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1c2430, #e6ebf2); --soft: light-dark(#566173, #a3afbf);
  --paper: light-dark(#ffffff, #12161c); --card: light-dark(#f6f8fb, #1a2029); --line: light-dark(#c6ceda, #3a4553);
  --now: light-dark(#0b5fbf, #7db7ff); --was: light-dark(#aab4c3, #5a6675); --s0: light-dark(#1c7a45, #6fd39b);
  --s1: light-dark(#8a5a00, #f0bd55); --s2: light-dark(#b3261e, #ff8f86); }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 66rem; margin: 0 auto; padding: 1rem; }
h1 { margin: 0; }
h2 { margin: 2rem 0 0.25rem; border-top: 1px solid var(--line); padding-top: 1.25rem; }
h3 { margin: 0; font-size: 1.05rem; }
p { margin: 0.25rem 0; }
.soft { color: var(--soft); font-size: 0.9rem; }
nav ul { padding: 0; margin: 0.75rem 0; list-style: none; display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; }
a { color: var(--now); }
.state { font-weight: 700; white-space: nowrap; }
.s0 { color: var(--s0); }
.s1 { color: var(--s1); }
.s2 { color: var(--s2); }
.key { display: inline-block; width: 0.8em; height: 0.8em; border-radius: 2px; }
.was { background: var(--was); }
.now { background: var(--now); }
.subjects { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 27rem), 1fr));
  margin-top: 1rem; }
article { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 0.75rem 1rem;
  min-width: 0; }
article.raised1 { border-left: 4px solid var(--s1); }
article.raised2 { border-left: 4px solid var(--s2); }
header { display: flex; justify-content: space-between; gap: 1rem; align-items: baseline; }
svg { display: block; width: 100%; height: auto; margin: 0.5rem 0 0.25rem; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
svg line { stroke: var(--line); }
svg .was { fill: var(--was); }
svg .now { fill: var(--now); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(5.2rem, 1fr)); gap: 0.25rem 0.75rem;
  margin: 0.5rem 0; }
dt { color: var(--soft); font-size: 0.78rem; }
dd { margin: 0; font-variant-numeric: tabular-nums; }
summary { cursor: pointer; color: var(--soft); font-size: 0.9rem; }
:focus-visible { outline: 3px solid var(--now); outline-offset: 2px; }
table { width: 100%; border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); }
th, td { text-align: right; padding: 0.15rem 0.4rem; border-bottom: 1px solid var(--line); }
th:first-child { text-align: left; font-weight: 400; }
@media print { article { break-inside: avoid; } }
"""


@dataclass(frozen=True, slots=True)
class ReportSection:
    """One model of the report.

    Attributes:
        model: Name of the model.
        profile: Its reference profile.
        counted: Its recent counts.
        drift: Result of their comparison.
        workers: Number of workers that counted.
    """

    model: str
    profile: ReferenceProfile
    counted: WindowCounts
    drift: ModelDrift
    workers: int


def render(sections: Sequence[ReportSection], now: float) -> str:
    """Return the page as HTML.

    Args:
        sections: The models.
        now: Time of the report (Unix seconds).
    """
    worst = max((section.drift.state for section in sections), default=STEADY)
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    links = "".join(
        f'<li><a href="#{_id(section.model)}">{escape(section.model)}</a> {_state(section.drift)}</li>'
        for section in sections
    )
    made = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M UTC")
    title = f"Drift: {STATES[worst]}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{digest}'\">"
        f"<title>{title}</title><style>{STYLE}</style></head><body><main>"
        f'<h1>Drift</h1><p class="soft">Recent data of the models next to their validation data. Created {made}.</p>'
        f'<nav aria-label="Models"><ul>{links}</ul></nav>'
        '<p><span class="key was"></span> validation &nbsp; <span class="key now"></span> now</p>'
        f"{''.join(map(_section, sections))}</main></body></html>\n"
    )


def _section(section: ReportSection) -> str:
    drift = section.drift
    workers = f"{section.workers} worker{'' if section.workers == 1 else 's'}"
    facts = f"{drift.items:,} recent items of {workers}; {section.profile.items:,} in the validation data."
    pairs = zip(section.profile.split(section.counted.counts), drift.subjects, strict=True)
    # Highest state first; subjects of the same state keep the order of the profile.
    ordered = sorted(pairs, key=lambda pair: -pair[1].state)
    cards = "".join(_article(section, counts, result) for (_, counts), result in ordered)
    return (
        f'<section id="{_id(section.model)}"><h2>{escape(section.model)} {_state(drift)}</h2>'
        f'<p class="soft">{facts}</p><p>{_sentence(drift)}</p><div class="subjects">{cards}</div></section>'
    )


def _sentence(drift: ModelDrift) -> str:
    if not drift.enough:
        return "There are too few items to compare; the charts show those that were counted."
    raised = [result.subject.name for result in drift.subjects if result.state]
    if not raised:
        return "No distribution differs from the validation data by more than the threshold and more than chance."
    verb = "differs" if len(raised) == 1 else "differ"
    names = escape(", ".join(raised))
    return f"{names} {verb} from the validation data by more than the threshold and more than chance."


def _article(section: ReportSection, counts: Counts, result: SubjectDrift) -> str:
    subject, now = result.subject, counts[:MISSING]
    mark = ""
    if section.drift.enough:
        mark = f'<span class="state s{result.state}">{SIGNS[result.state]} {STATES[result.state]}</span>'
    why = f"<p>{escape('; '.join(result.reasons).capitalize())}.</p>" if result.reasons else ""
    return (
        f'<article class="raised{result.state}"><header><h3>{escape(subject.name)}</h3>{mark}</header>'
        f'<p class="soft">{EXPLAINED[subject.measure]}</p>{why}{_chart(subject, now)}{_numbers(section, result)}'
        f"{_table(subject, now)}</article>"
    )


def _chart(subject: Subject, now: Counts) -> str:
    was, is_, names = _shares(subject.counts), _shares(now.tolist()), _bins(subject)
    top = max(0.05, *was, *is_)
    step = (WIDTH - LEFT) / len(was)
    floor = HEIGHT - FOOT
    bars = []
    for place, (before, after) in enumerate(zip(was, is_, strict=True)):
        x = LEFT + place * step
        for kind, share, shift in (("was", before, 0.1), ("now", after, 0.5)):
            height = share / top * (floor - 8)
            at, wide = x + shift * step, 0.4 * step
            bars.append(
                f'<rect class="{kind}" x="{at:.1f}" y="{floor - height:.1f}" width="{wide:.1f}" height="{height:.1f}"/>'
            )
    words, middle = ([name[:12] for name in names], 0.5) if subject.is_class else (_edges(subject), 1.0)
    # Only as many labels as fit.
    every = max(1, -(-(max(map(len, words), default=0) + 1) * LETTER // int(step)))
    texts = "".join(
        f'<text x="{LEFT + (place + middle) * step:.1f}" y="{floor + 14}" text-anchor="middle">{escape(word)}</text>'
        for place, word in list(enumerate(words))[::every]
    )
    most = max(range(len(was)), key=lambda place: abs(is_[place] - was[place]))
    description = (
        f"{subject.name}: shares of items by bin, validation data and now. Greatest difference at {names[most]}: "
        f"{was[most]:.1%} in the validation data, {is_[most]:.1%} now."
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(description)}">'
        f'<line x1="{LEFT}" y1="{floor}" x2="{WIDTH}" y2="{floor}"/><line x1="{LEFT}" y1="8" x2="{WIDTH}" y2="8"/>'
        f'<text x="{LEFT - 4}" y="12" text-anchor="end">{top:.0%}</text>'
        f'<text x="{LEFT - 4}" y="{floor + 4}" text-anchor="end">0</text>{"".join(bars)}{texts}</svg>'
    )


def _numbers(section: ReportSection, result: SubjectDrift) -> str:
    if not section.drift.enough:
        return ""
    pairs = [("PSI", f"{result.psi:.3f}")]
    if result.ks is not None:
        pairs.append(("KS", f"{result.ks:.3f}"))
    pairs.append(("chi² p", f"{result.chi2_p:.1g}" if result.chi2_p < 0.001 else f"{result.chi2_p:.3f}"))
    if not result.subject.is_class:
        pairs.append(("out of range", f"{result.out_of_range:.1%}"))
    pairs.append(("missing", f"{result.missing:.1%}"))
    return f"<dl>{''.join(f'<div><dt>{name}</dt><dd>{value}</dd></div>' for name, value in pairs)}</dl>"


def _table(subject: Subject, now: Counts) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{before:.1%}</td><td>{after:.1%}</td></tr>'
        for name, before, after in zip(_bins(subject), _shares(subject.counts), _shares(now.tolist()), strict=True)
    )
    return (
        f"<details><summary>Numbers of {escape(subject.name)}</summary><table><caption>Share of items by bin</caption>"
        f'<thead><tr><th scope="col">bin</th><th scope="col">validation</th><th scope="col">now</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></details>"
    )


def _bins(subject: Subject) -> list[str]:
    if subject.is_class:
        return subject.labels
    edges = _edges(subject)
    if not edges:
        return ["all"]
    between = [f"{low} to {high}" for low, high in pairwise(edges)]
    return [f"under {edges[0]}", *between, f"{edges[-1]} and more"]


def _edges(subject: Subject) -> list[str]:
    """Return the edges as texts, with the fewest digits at which all differ."""
    for digits in range(2, 17):
        texts = [f"{edge:.{digits}g}" for edge in subject.edges]
        if len(set(texts)) == len(texts):
            break
    return [text.replace("-", "−") for text in texts]


def _shares(counts: Sequence[int]) -> list[float]:
    total = max(1, sum(counts))
    return [count / total for count in counts]


def _state(drift: ModelDrift) -> str:
    if not drift.enough:
        return '<span class="state soft">○ too few items</span>'
    sign = SIGNS[min(drift.state, DRIFTED)]
    return f'<span class="state s{drift.state}">{sign} {STATES[drift.state]}</span>'


def _id(model: str) -> str:
    return f"model-{escape(model)}"
