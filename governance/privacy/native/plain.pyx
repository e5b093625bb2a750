# cython: language_level=3
"""The loop of `request.plain`; the twin explains it."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memchr


def colons_of(bytes data not None):
    """See the twin."""
    cdef const char* text = PyBytes_AS_STRING(data)
    cdef const char* end = text + PyBytes_GET_SIZE(data)
    cdef const char* colon = text
    cdef Py_ssize_t pairs = 0
    cdef bint is_spaced = False
    while colon < end:
        colon = <const char*>memchr(colon, c":", end - colon)
        if colon == NULL:
            break
        if colon > text:
            pairs += colon[-1] == c'"'
            is_spaced |= colon[-1] in (9, 10, 13, 32)
        colon += 1
    return pairs, is_spaced
