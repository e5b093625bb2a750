# cython: language_level=3
# distutils: language = c++
"""`candidate_filter.CandidateFilter` in C, with `candidates.CandidateFinder` and the Hyperscan engine.

Functions have the names of their twins, which explain the rules; comments here explain what is different in C. The text
comes from requests: every place is checked against the size of the text before it is read.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.string cimport memchr, memcmp
from libcpp.algorithm cimport sort
from libcpp.vector cimport vector

from governance.privacy.find.candidate_filter import (
    CHECKS,
    CHECKS_ALONE,
    HIGHEST_SCORES,
    LABELS,
    MEANINGS,
    MEANINGS_NEAR,
    THRESHOLD,
    TRAILING,
)
from governance.privacy.find.candidates import CONTEXT_AFTER, CONTEXT_BEFORE, MAX_SHORTER, spelt_mail_addresses
from governance.privacy.find.engines import automata, word_lengths
from governance.privacy.find.patterns.detectors import DETECTORS, DOMAIN, EMAIL
from governance.privacy.find.patterns.expressions import (
    ENABLED_BY,
    FIRST_BYTES,
    FORBIDDEN_AFTER,
    JOINING_MARKS,
    LETTERS_BEHIND,
    LONG_DETECTORS,
    MAIL_HOST,
    NEEDS_CONTEXT,
    NOT_BEFORE_DOMAIN,
    WITH_EDGES,
    WITHOUT_EDGES,
)

cdef extern from * nogil:
    """
    // Where a match may be: first byte, number of the detector, end. Sorted as the tuples of the twin are.
    struct Candidate {
        Py_ssize_t start; int number; Py_ssize_t end;
        bool operator<(const Candidate& other) const {
            if (start != other.start) return start < other.start;
            return number != other.number ? number < other.number : end < other.end;
        }
    };
    // A context word: its first byte, and its number.
    struct ContextWord {
        Py_ssize_t place; int word;
        bool operator<(const ContextWord& other) const {
            return place != other.place ? place < other.place : word < other.word;
        }
    };
    // Where something may be that counts near a context word only.
    struct Region { Py_ssize_t start; Py_ssize_t end; };
    """
    cdef struct Candidate:
        Py_ssize_t start
        int number
        Py_ssize_t end
    cdef struct ContextWord:
        Py_ssize_t place
        int word
    cdef struct Region:
        Py_ssize_t start
        Py_ssize_t end

cdef Py_ssize_t context_before = CONTEXT_BEFORE, context_after = CONTEXT_AFTER
cdef int max_shorter = MAX_SHORTER
cdef int letters_behind = LETTERS_BEHIND
cdef bytes joining_marks = JOINING_MARKS.encode(), trailing = TRAILING


cdef inline bint is_alnum(unsigned char byte) noexcept nogil:
    return 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122


cdef inline bint is_digit(unsigned char byte) noexcept nogil:
    return 48 <= byte <= 57


cdef inline bint is_local_mark(unsigned char byte) noexcept nogil:
    """Return whether a byte may be between the letters and digits of a mail address."""
    return byte in b"._%+'-!#$&*^~" or 0x80 <= byte < 0xC0


cdef bint all_alnum(const unsigned char* text, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Return what `bytes.isalnum` returns for a slice: false for an empty one."""
    cdef Py_ssize_t place
    for place in range(first, last):
        if not is_alnum(text[place]):
            return False
    return first < last


cdef class Searched:
    """Joined texts, and what was found in them; Hyperscan calls this object for each match.

    An expression includes the byte before its match and the one after it, and the text that is scanned has one byte more
    at its begin. So a reported start is the first byte of the match in `data` as it is, and a reported end is two bytes
    behind the match's.
    """

    cdef bytes data
    cdef const unsigned char* text
    cdef Py_ssize_t size
    cdef vector[Candidate] candidates
    cdef vector[ContextWord] words
    cdef vector[Region] regions
    # Whether the automaton that runs now reports regions.
    cdef bint are_regions
    cdef int detectors
    cdef list word_lengths

    def __cinit__(self, bytes data, list word_lengths):
        self.data, self.text, self.size = data, <const unsigned char*>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)
        self.word_lengths, self.detectors, self.are_regions = word_lengths, len(DETECTORS), False

    def __call__(self, int which, Py_ssize_t start, Py_ssize_t end, flags, context):
        if self.are_regions:
            self.regions.push_back(Region(start, end - 2))
        elif which < self.detectors:
            self.candidates.push_back(Candidate(start, which, end - 2))
        else:
            which -= self.detectors
            self.words.push_back(ContextWord(end - <Py_ssize_t>self.word_lengths[which], which))

    cdef size_t word_from(self, Py_ssize_t place):
        """Return the index of the first word that begins at a place or behind it."""
        cdef size_t low = 0, high = self.words.size(), middle
        while low < high:
            middle = (low + high) // 2
            if self.words[middle].place < place:
                low = middle + 1
            else:
                high = middle
        return low


cdef class CandidateFilter:
    """Decides which candidate matches are personal data.

    Args:
        with_edges: the expressions with a check of what is around a match, by number of the detector.
        without_edges: those without.

    Raises:
        ImportError: if Hyperscan is not installed.
    """

    cdef object scan_others_and_words, scan_numbers, scan_near_words, match_mail_host
    # By number of a detector.
    cdef list word_lengths, match_with_edges, match_without_edges, meanings, checks, checks_alone, labels
    cdef vector[double] highest_scores
    cdef vector[char] is_long, needs_context
    # By number of a detector and byte: whether the byte must not follow a match.
    cdef vector[vector[char]] forbidden_after
    # Whether a match can begin with the byte.
    cdef vector[vector[char]] first_bytes
    cdef vector[char] not_before_domain
    # By number of a context word: by detector, whether the word counts for it; and the detectors that it enables.
    cdef vector[vector[char]] counts_for
    cdef vector[vector[int]] enabled_by
    cdef double threshold
    cdef int domain, email

    def __init__(self, with_edges=WITH_EDGES, without_edges=WITHOUT_EDGES):
        made, numbers = automata(), range(len(DETECTORS))
        self.scan_others_and_words, self.scan_numbers = made.others_and_words.scan, made.numbers.scan
        self.scan_near_words, self.match_mail_host = made.near_words.scan, MAIL_HOST.match
        self.match_with_edges, self.match_without_edges = (
            [pattern.match for pattern in patterns] for patterns in (with_edges, without_edges)
        )
        self.word_lengths, self.threshold, self.domain, self.email = word_lengths(), THRESHOLD, DOMAIN, EMAIL
        self.meanings, self.labels, self.highest_scores = MEANINGS, LABELS, HIGHEST_SCORES
        self.checks, self.checks_alone = CHECKS, CHECKS_ALONE
        self.not_before_domain = [byte in NOT_BEFORE_DOMAIN for byte in range(256)]
        self.is_long = [number in LONG_DETECTORS for number in numbers]
        self.needs_context = [number in NEEDS_CONTEXT for number in numbers]
        self.first_bytes = [[byte in possible for byte in range(256)] for possible in FIRST_BYTES]
        self.forbidden_after = [[byte in forbidden for byte in range(256)] for forbidden in FORBIDDEN_AFTER]
        self.counts_for = [[number in near for number in numbers] for near in MEANINGS_NEAR]
        self.enabled_by = ENABLED_BY

    def __call__(self, bytes data not None):
        """Return the accepted spans, in bytes."""
        cdef Searched searched = Searched(data, self.word_lengths)
        # The expressions need a byte before the first match, and one after the last.
        padded = b"\0" + data + b"\0"
        self.scan_others_and_words(padded, searched)
        self.scan_numbers(padded, searched)
        if searched.words.size():
            sort(searched.words.begin(), searched.words.end())
            searched.are_regions = True
            self.scan_near_words(padded, searched)
            self.add_near_words(searched)
        self.add_mail_addresses(searched)
        if b"(at)" in data or b"[at]" in data or b"(AT)" in data or b"[AT]" in data:
            for start, number, end in spelt_mail_addresses(data):
                searched.candidates.push_back(Candidate(start, number, end))
        self.add_domains(searched)
        sort(searched.candidates.begin(), searched.candidates.end())
        return self.decide_all(searched)

    cdef add_near_words(self, Searched searched):
        """See `candidates._near_words`."""
        cdef Region region
        cdef size_t index, turn = 0
        cdef int number
        # By number of a detector: the turn in which it was added last, so that each region adds it once.
        cdef vector[size_t] added
        added.resize(self.is_long.size())
        for region in searched.regions:
            turn += 1
            index = searched.word_from(region.start - context_before)
            while index < searched.words.size() and searched.words[index].place < region.end + context_after:
                for number in self.enabled_by[searched.words[index].word]:
                    if added[number] != turn:
                        added[number] = turn
                        searched.candidates.push_back(Candidate(region.start, number, region.end))
                index += 1

    cdef add_mail_addresses(self, Searched searched):
        """See `candidates._mail_addresses`."""
        cdef const unsigned char* text = searched.text
        cdef Py_ssize_t size = searched.size, at = -1, start, lowest
        cdef const unsigned char* next_at
        while at + 1 < size:
            next_at = <const unsigned char*>memchr(text + at + 1, c"@", size - at - 1)
            if next_at == NULL:
                return
            at = next_at - text
            lowest, start = max(0, at - 64), at
            while start > lowest and (
                is_alnum(text[start - 1]) or is_local_mark(text[start - 1]) or 0xC3 <= text[start - 1] <= 0xD3
            ):
                start -= 1
            while start < at and is_local_mark(text[start]):
                start += 1
            if start < at and self.match_mail_host(searched.data, at + 1) is not None:
                searched.candidates.push_back(Candidate(start, self.email, at))

    cdef add_domains(self, Searched searched):
        """See `candidates._domains`."""
        cdef const unsigned char* text = searched.text
        cdef Py_ssize_t size = searched.size, done = 0, dot = -1, start, lowest
        cdef const unsigned char* next_dot
        match = self.match_without_edges[self.domain]
        while dot + 1 < size:
            next_dot = <const unsigned char*>memchr(text + dot + 1, c".", size - dot - 1)
            if next_dot == NULL:
                return
            dot = next_dot - text
            if dot < done or dot + 1 >= size or not is_alnum(text[dot + 1]):
                continue
            lowest, start = max(done, dot - 63), dot
            while start > lowest and (is_alnum(text[start - 1]) or text[start - 1] == c"-"):
                start -= 1
            while start < dot and text[start] == c"-":
                start += 1
            found = match(searched.data, start) if start < dot else None
            if found is None:
                continue
            done = found.end()
            # A part of a mail address or of a URL is no domain of its own.
            if start and self.not_before_domain[text[start - 1]] or done < size and text[done] == c"@":
                continue
            searched.candidates.push_back(Candidate(start, self.domain, done))

    cdef list decide_all(self, Searched searched):
        """See `candidate_filter.CandidateFilter.__call__`: which candidates are looked at."""
        cdef Candidate candidate
        cdef Py_ssize_t cover_start = 0, cover_end = 0, end
        cdef double cover_score = 0.0, score
        cdef size_t known = 0
        cdef int number
        cdef tuple span
        cdef list accepted = []
        # By number of a detector: the place before which its matches are decided.
        cdef vector[Py_ssize_t] decided
        decided.resize(self.is_long.size())
        for candidate in searched.candidates:
            number = candidate.number
            if decided[number] >= candidate.end:
                continue
            if (
                candidate.end <= cover_end
                and candidate.start >= cover_start
                and self.highest_scores[number] <= cover_score
            ):
                continue
            decided[number] = self.decide_from(
                searched, number, max(decided[number], candidate.start), candidate.end, accepted
            )
            # Usually nothing was accepted.
            while known < <size_t>len(accepted):
                span = accepted[known]
                known += 1
                end, score = span[1], span[2]
                if end > cover_end or score >= cover_score:
                    cover_start, cover_end, cover_score = span[0], end, score
        return accepted

    cdef Py_ssize_t decide_from(
        self, Searched searched, int number, Py_ssize_t place, Py_ssize_t stop, list accepted
    ) except -1:
        """See the twin; appends the accepted spans, and returns the place before which the detector is decided."""
        found = None
        if place < searched.size and self.first_bytes[number][searched.text[place]]:
            found = self.match_with_edges[number](searched.data, place)
        if self.is_long[number]:
            return place if found is None else self.decide(searched, number, found, accepted)
        if found is None:
            found = self.next_match(searched, number, place, stop)
        while found is not None:
            place = self.decide(searched, number, found, accepted)
            stop = max(stop, <Py_ssize_t>found.end())
            found = self.next_match(searched, number, place, stop)
        return stop

    cdef object next_match(self, Searched searched, int number, Py_ssize_t first, Py_ssize_t last):
        """See the twin, and `candidates.CandidateFinder.first_match`."""
        cdef const unsigned char* text = searched.text
        cdef Py_ssize_t begin
        # The end that Hyperscan reports may be behind the text.
        last = min(last, searched.size)
        if first >= last or all_alnum(text, first, last):
            return None
        match = self.match_with_edges[number]
        for begin in range(first, last):
            if self.first_bytes[number][text[begin]] and text[begin] and not (begin and is_alnum(text[begin - 1])):
                found = match(searched.data, begin)
                if found is not None:
                    return found
        return None

    cdef Py_ssize_t decide(self, Searched searched, int number, object found, list accepted) except -1:
        """See the twin; returns where the next match may begin."""
        cdef Py_ssize_t first = found.start(), last = found.end(), end
        cdef tuple span = self.accept(searched, number, first, last)
        if span is None:
            span = self.accept_shorter(searched, number, first, last)
        if span is None:
            return last if self.needs_context[number] else first + 1
        accepted.append(span)
        end = span[1]
        return max(end, first + 1)

    cdef tuple accept_shorter(self, Searched searched, int number, Py_ssize_t first, Py_ssize_t last):
        """See the twin, and `candidates.CandidateFinder.shorter_ends`."""
        cdef const unsigned char* text = searched.text
        cdef tuple span
        if self.checks[number] is None or all_alnum(text, first, last):
            return None
        match = self.match_without_edges[number]
        for _ in range(max_shorter):
            found = match(searched.data, first, last - 1)
            if found is None:
                return None
            # At most one less than before, so there is a byte at this place.
            last = found.end()
            if self.forbidden_after[number][text[last]] and not self.joins_nothing(searched, last):
                continue
            span = self.accept(searched, number, first, last)
            if span is not None:
                return span
        return None

    cdef bint joins_nothing(self, Searched searched, Py_ssize_t end):
        """See `candidates._joins_nothing`."""
        cdef const unsigned char* text = searched.text
        cdef Py_ssize_t place = end + 1, last = min(searched.size, end + 1 + letters_behind + 1)
        if text[end] not in joining_marks:
            return False
        while place < last and is_alnum(text[place]) and not is_digit(text[place]):
            place += 1
        return not (place < last and is_digit(text[place]))

    cdef tuple accept(self, Searched searched, int number, Py_ssize_t first, Py_ssize_t last):
        """See the twin."""
        cdef const unsigned char* text = searched.text
        cdef Py_ssize_t end
        cdef tuple meaning = self.meaning(searched, number, first, last)
        if <double>meaning[0] < self.threshold:
            return None
        if self.labels[number] is not None:
            found = self.labels[number].match(searched.data, first, last)
            if found is not None:
                first = found.end()
        check = self.checks_alone[number] if meaning is self.meanings[number] else self.checks[number]
        if first >= last or not (check is None or self.passes(searched, check, first, last)):
            return None
        end = last
        if not all_alnum(text, first, last):
            # The twin's `_trim`. A private key keeps the dashes at its end.
            if last - first < 5 or memcmp(text + last - 5, b"-----", 5):
                while end > first and text[end - 1] in trailing:
                    end -= 1
            if text[first] == c"(":
                first += memchr(text + first, c")", last - first) == NULL
            elif end > first and text[end - 1] == c")" and memchr(text + first, c"(", last - first) == NULL:
                end -= 1
        return first, end, meaning[0], meaning[1], meaning[2]

    cdef bint passes(self, Searched searched, object check, Py_ssize_t first, Py_ssize_t last) except -1:
        """See the twin."""
        try:
            return bool(check(PyUnicode_DecodeUTF8(<char*>searched.text + first, last - first, "replace")))
        except (ValueError, IndexError):
            return False

    cdef tuple meaning(self, Searched searched, int number, Py_ssize_t first, Py_ssize_t last):
        """See the twin."""
        cdef Py_ssize_t lowest = first - context_before, highest = last + context_after, least = lowest, low
        cdef size_t index
        cdef ContextWord word
        if self.needs_context[number]:
            lowest, highest, least = lowest + 1, first + context_after + 1, last - context_before
        index = searched.word_from(lowest)
        while index < searched.words.size() and searched.words[index].place < highest:
            word = searched.words[index]
            index += 1
            if not self.counts_for[word.word][number]:
                continue
            # All places are within the text already; the bounds make sure that no other byte can ever be read.
            low = max(0, min(word.place, first))
            if memchr(searched.text + low, 0, min(searched.size, max(word.place, last)) - low) == NULL:
                return MEANINGS_NEAR[word.word][number] if word.place >= least else self.meanings[number]
        return self.meanings[number]
