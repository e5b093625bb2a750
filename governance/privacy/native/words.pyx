# cython: language_level=3
# distutils: language = c++
"""The loop of `tagger.words`; the twin explains it. It uses a hash table where the twin sorts."""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp
from libcpp.vector cimport vector

import numpy as np

from governance.privacy.tagger.words import distinct_by_sorting

# The longest search for a free slot. By chance it takes a few tries; an attacker can choose words that share a slot, and
# then the time would grow with the square of their number, so they are sorted instead.
cdef int max_tries = 256


def distinct_words(const uint32_t[::1] codes, const Py_ssize_t[::1] starts, const Py_ssize_t[::1] ends, Py_ssize_t most):
    """See the twin.

    Raises:
        IndexError: if a word is empty or outside the text.
    """
    cdef Py_ssize_t count = starts.shape[0], size = codes.shape[0], number, at, length, slots = 64, slot, row, rows = 0
    cdef int tries
    cdef uint64_t mixed
    # By row of the result, a word that it is; by slot, the row of its word plus one, so that 0 is a free slot.
    cdef vector[Py_ssize_t] chosen, table
    places = np.empty(count, np.int64)
    cdef Py_ssize_t[::1] place = places
    # A power of two, at most half full.
    while slots < 2 * count:
        slots *= 2
    table.resize(slots)
    for number in range(count):
        length = min(ends[number] - starts[number], most)
        if starts[number] < 0 or length < 1 or starts[number] + length > size:
            raise IndexError("a word is outside its text")
        # FNV-1a's offset, with a stronger mixing step: the low bits, which choose the slot, depend on all letters.
        mixed = 0xCBF29CE484222325ULL
        for at in range(starts[number], starts[number] + length):
            mixed = (mixed ^ codes[at]) * 0x9E3779B97F4A7C15ULL
            mixed ^= mixed >> 29
        slot = mixed & (slots - 1)
        tries = 0
        while table[slot]:
            tries += 1
            if tries > max_tries:
                return distinct_by_sorting(np.asarray(codes), np.asarray(starts), np.asarray(ends), most)
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
