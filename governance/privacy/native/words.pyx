# cython: language_level=3
# distutils: language = c++
"""Loops of `words`."""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp
from libcpp.vector cimport vector

import numpy as np

from governance.privacy.tagger.words import by_sorting

# Words that share a slot by chance are few; many were made on purpose, to make this slow.
cdef int most_tries = 256


def distinct(const uint32_t[::1] codes, const Py_ssize_t[::1] starts, const Py_ssize_t[::1] ends, Py_ssize_t most):
    """See the twin."""
    cdef Py_ssize_t count = starts.shape[0], size = codes.shape[0], number, at, length, slots = 64, slot, row, rows = 0
    cdef int tries
    cdef uint64_t mixed
    # Of each distinct word one that is it; in each slot a row, one higher.
    cdef vector[Py_ssize_t] chosen, table
    places = np.empty(count, np.int64)
    cdef Py_ssize_t[::1] place = places
    while slots < 2 * count:
        slots *= 2
    table.resize(slots)
    for number in range(count):
        length = min(ends[number] - starts[number], most)
        if starts[number] < 0 or length < 1 or starts[number] + length > size:
            raise IndexError("a word lies outside its text")
        mixed = 0xCBF29CE484222325ULL
        for at in range(starts[number], starts[number] + length):
            mixed = (mixed ^ codes[at]) * 0x9E3779B97F4A7C15ULL
            mixed ^= mixed >> 29
        slot = mixed & (slots - 1)
        tries = 0
        while table[slot]:
            tries += 1
            if tries > most_tries:
                return by_sorting(np.asarray(codes), np.asarray(starts), np.asarray(ends), most)
            row = table[slot] - 1
            at = chosen[row]
            if min(ends[at] - starts[at], most) == length and not memcmp(
                &codes[starts[at]], &codes[starts[number]], 4 * length
            ):
                break
            slot = (slot + 1) & (slots - 1)
        else:
            row = rows
            rows += 1
            chosen.push_back(number)
            table[slot] = rows
        place[number] = row
    made = np.zeros((rows, most), np.int64)
    cdef Py_ssize_t[:, ::1] letters = made
    for row in range(rows):
        at = starts[chosen[row]]
        for number in range(min(ends[chosen[row]] - at, most)):
            letters[row, number] = codes[at + number]
    return made, places
