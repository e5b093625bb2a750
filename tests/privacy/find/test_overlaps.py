"""Overlapping findings become disjoint, and cover the same characters."""

from hypothesis import given
from hypothesis import strategies as st

from governance.privacy.find.finding import Finding
from governance.privacy.find.overlaps import resolve


def at(start, end, score=0.5, entity="X"):
    return Finding(entity, start, end, score, "")


def test_resolve_joins_overlapping_findings_of_one_entity():
    assert resolve([at(0, 5), at(3, 9, 0.9), at(9, 12, 0.4)]) == [at(0, 9, 0.9), at(9, 12, 0.4)]
    assert resolve([at(0, 3, 0.9), at(6, 9, 0.8), at(2, 7, 0.5)]) == [at(0, 9, 0.9)]


def test_resolve_cuts_a_finding_where_a_surer_one_of_another_entity_is():
    assert resolve([at(0, 9), at(3, 5, 0.9, "Y")]) == [at(0, 3), at(3, 5, 0.9, "Y"), at(5, 9)]
    assert resolve([at(3, 5), at(0, 9, 0.9, "Y")]) == [at(0, 9, 0.9, "Y")]


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(1, 10), st.sampled_from([0.5, 0.7, 0.9]), st.sampled_from("XYZ")),
        max_size=8,
    )
)
def test_resolve_returns_disjoint_findings_that_cover_the_same_characters(rows):
    findings = [at(start, start + size, score, entity) for start, size, score, entity in rows]
    resolved = resolve(findings)
    covered = [place for finding in resolved for place in range(finding.start, finding.end)]
    assert len(covered) == len(set(covered)) and covered == sorted(covered)
    assert set(covered) == {place for finding in findings for place in range(finding.start, finding.end)}
