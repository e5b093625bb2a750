"""Cases of privacy: forbidden data classes, a surge of findings, and no findings at all."""

from __future__ import annotations

from deploy.prometheus.cases.case import Case
from deploy.prometheus.cases.series import INFER, MINUTES, growing, series, single_event

ANSWERED = series("requests_total", f'{INFER},outcome="answered",reason=""')
PERSON = series("entities_total", 'entity="PERSON"')
STEADY = growing((10, 500))
ENDED = growing((10, 300), (0, 200))

CASES = (
    *single_event(
        "GovernanceForbiddenDataClass",
        "data_classes_total",
        'data_class="health",outcome="refused"',
        15,
        other_labels='data_class="health",outcome="answered"',
        shown={"data_class": "health"},
    ),
    Case(
        "GovernanceEntitiesSurge",
        {PERSON: growing((61, MINUTES))},
        {PERSON: growing((59, MINUTES))},
        14,
        15,
        "1.017",
        {"entity": "PERSON"},
    ),
    Case(
        "GovernanceEntitiesSurge",
        {PERSON: growing((61, 1440), (61 * 5.36, 60))},
        {PERSON: growing((61, 1440), (61 * 5.24, 60))},
        1440,
        1460,
        "5.449",
        {"entity": "PERSON"},
        step=10,
    ),
    Case(
        "GovernanceMaskingStopped",
        {PERSON: ENDED, ANSWERED: STEADY},
        {PERSON: growing((10, 300), (0.1, 200)), ANSWERED: STEADY},
        380,
        390,
        also_silent=({PERSON: ENDED, ANSWERED: ENDED}, {PERSON: growing((0, 500)), ANSWERED: STEADY}),
        step=10,
    ),
)
