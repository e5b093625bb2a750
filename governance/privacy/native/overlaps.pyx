# cython: language_level=3
"""Loops of `find.overlaps`; each function has the name of its twin, which explains it."""

from bisect import bisect_right
from operator import itemgetter

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from governance.privacy.find.finding import Finding
from governance.privacy.find.overlaps import resolve_group, trim_edges

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX

# `Finding(…)` runs a function in Python; creating the tuple directly is several times as fast.
cdef object by_start = itemgetter(0), new_tuple = tuple.__new__


def disjoint(list spans not None):
    """See the twin. Spans that overlap are rare: they are left to its `resolve_group`."""
    cdef list kept = [], group = []
    cdef tuple span
    cdef Py_ssize_t reach = 0, start, end
    spans.sort(key=by_start)
    for span in spans:
        start, end = span[0], span[1]
        if start >= reach:
            kept.extend(group if len(group) < 2 else resolve_group(group))
            group = []
        group.append(span)
        reach = max(reach, end)
    kept.extend(group if len(group) < 2 else resolve_group(group))
    return kept


def assign_to_texts(joined, list spans not None, dict found not None):
    """See the twin.

    Raises:
        IndexError: if a span is outside the texts.
    """
    cdef str text = joined.text
    cdef list origins = joined.origins
    numbers = joined.numbers
    cdef tuple span
    # The findings of the text that spans are in now; None until it has one.
    cdef list findings = None
    cdef Py_ssize_t size = len(text), start, end, origin = 0, next_origin, index = 0, last = len(origins) - 1
    removed = joined.removed
    next_origin = origins[1] if last else PY_SSIZE_T_MAX
    for span in spans:
        start, end = span[0], span[1]
        if start < 0 or end > size:
            raise IndexError("a finding is outside its texts")
        if start >= end:
            continue
        if not (text[start].isalnum() and text[end - 1].isalnum()):
            start, end = trim_edges(text, start, end)
            if start >= end:
                continue
        if removed:
            start, end = start + bisect_right(removed, start), end + bisect_right(removed, end - 1)
        while next_origin <= start:
            index += 1
            origin = next_origin
            next_origin = origins[index + 1] if index < last else PY_SSIZE_T_MAX
            findings = None
        if findings is None:
            findings = found.setdefault(numbers[index], [])
        findings.append(new_tuple(Finding, (span[3], start - origin, end - origin, span[2], span[4])))


cdef Py_ssize_t code_points(const unsigned char* text, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Return how many code points the second place is after the first; a negative number if it is before it."""
    cdef Py_ssize_t place, count = 0
    for place in range(min(first, last), max(first, last)):
        # A byte 10xxxxxx continues a code point.
        count += (text[place] & 0xC0) != 0x80
    return count if first <= last else -count


def to_code_points(bytes data not None, list spans not None):
    """See the twin. Spans are nearly in order, so each is counted from the one before: no array is needed.

    Raises:
        IndexError: if a span is outside the text.
    """
    cdef const unsigned char* text = <const unsigned char*>PyBytes_AS_STRING(data)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data), place = 0, count = 0, start, end
    cdef tuple span
    cdef list made = []
    if not spans or data.isascii():
        return spans
    for span in spans:
        start, end = span[0], span[1]
        if not (0 <= start <= size and 0 <= end <= size):
            raise IndexError("a span is outside its text")
        count += code_points(text, place, start)
        place = start
        made.append((count, count + code_points(text, start, end), span[2], span[3], span[4]))
    return made
