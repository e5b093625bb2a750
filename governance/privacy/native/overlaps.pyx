# cython: language_level=3
"""Loops of `rows`."""

from bisect import bisect_right
from operator import itemgetter

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from governance.privacy.find.finding import Finding
from governance.privacy.find.overlaps import of_group, trimmed

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX

cdef object by_start = itemgetter(0), new_tuple = tuple.__new__


def resolved(list rows not None):
    """See the twin; rows that lie over each other are left to what it calls."""
    cdef list kept = [], group = []
    cdef tuple row
    cdef Py_ssize_t reach = 0, start, end
    rows.sort(key=by_start)
    for row in rows:
        start, end = row[0], row[1]
        if start >= reach:
            kept.extend(group if len(group) < 2 else of_group(group))
            group = []
        group.append(row)
        reach = max(reach, end)
    kept.extend(group if len(group) < 2 else of_group(group))
    return kept


def hand_out(batch, list rows not None, dict found not None):
    """See the twin."""
    cdef str text = batch.text
    cdef list origins = batch.origins
    numbers = batch.numbers
    cdef tuple row
    cdef list findings = None
    cdef Py_ssize_t size = len(text), start, end, origin = 0, next_origin, index = 0, last = len(origins) - 1
    removed = batch.removed
    next_origin = origins[1] if last else PY_SSIZE_T_MAX
    for row in rows:
        start, end = row[0], row[1]
        if start < 0 or end > size:
            raise IndexError("a finding lies outside its texts")
        if start >= end:
            continue
        if not (text[start].isalnum() and text[end - 1].isalnum()):
            start, end = trimmed(text, start, end)
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
        findings.append(new_tuple(Finding, (row[3], start - origin, end - origin, row[2], row[4])))


cdef Py_ssize_t code_points(const unsigned char* text, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Return how many code points further on the last place is; fewer than none if it lies before the first."""
    cdef Py_ssize_t place, count = 0
    for place in range(min(first, last), max(first, last)):
        count += (text[place] & 0xC0) != 0x80
    return count if first <= last else -count


def in_code_points(bytes data not None, list rows not None):
    """See the twin; rows are nearly in order, so each is counted from the one before."""
    cdef const unsigned char* text = <const unsigned char*>PyBytes_AS_STRING(data)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data), place = 0, count = 0, start, end
    cdef tuple row
    cdef list made = []
    if not rows or data.isascii():
        return rows
    for row in rows:
        start, end = row[0], row[1]
        if not (0 <= start <= size and 0 <= end <= size):
            raise IndexError("a row lies outside its text")
        count += code_points(text, place, start)
        place = start
        made.append((count, count + code_points(text, start, end), row[2], row[3], row[4]))
    return made
