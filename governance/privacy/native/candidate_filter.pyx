# cython: language_level=3
# distutils: language = c++
"""What `judge.Judge` does, and `patterns.Candidates` with Hyperscan for it."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.string cimport memchr, memcmp
from libcpp.algorithm cimport sort
from libcpp.vector cimport vector

from governance.privacy.find.detectors import DETECTORS, DOMAIN, EMAIL
from governance.privacy.find.candidate_filter import BESIDE, LOOSE, PLANS, SUREST, THRESHOLD
from governance.privacy.find.candidates import (
    BEFORE,
    BEHIND,
    BOUNDED,
    EDGES,
    HOST,
    LONG,
    NEEDED_BY,
    ONCE,
    PLAIN,
    SENTENCE,
    SHORTER,
    automata,
    word_lengths,
)

cdef extern from * nogil:
    """
    // Where something may lie: first byte, detector, end.
    struct Hit {
        Py_ssize_t start; int number; Py_ssize_t end;
        bool operator<(const Hit& other) const {
            if (start != other.start) return start < other.start;
            return number != other.number ? number < other.number : end < other.end;
        }
    };
    // A context word: its first byte, and which it is.
    struct Word {
        Py_ssize_t place; int word;
        bool operator<(const Word& other) const {
            return place != other.place ? place < other.place : word < other.word;
        }
    };
    struct Region { Py_ssize_t start; Py_ssize_t end; };
    """
    cdef struct Hit:
        Py_ssize_t start
        int number
        Py_ssize_t end
    cdef struct Word:
        Py_ssize_t place
        int word
    cdef struct Region:
        Py_ssize_t start
        Py_ssize_t end

cdef Py_ssize_t before = BEFORE, behind = BEHIND
cdef int shorter_at_most = SHORTER
cdef bytes sentence = SENTENCE.encode(), loose = LOOSE


cdef inline bint is_alnum(unsigned char byte) noexcept nogil:
    return 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122


cdef inline bint is_mark(unsigned char byte) noexcept nogil:
    """Return whether a mail address may have it between its letters and digits."""
    return byte in b"._%+'-"


cdef bint all_alnum(const unsigned char* text, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Py_ssize_t place
    for place in range(first, last):
        if not is_alnum(text[place]):
            return False
    return first < last


cdef class Told:
    """What Hyperscan tells of one text: an object that it calls for each match.

    What is told begins before its match, and the bytes before their text: the two make up for each other; at the end
    they add up.
    """

    cdef vector[Hit] hits
    cdef vector[Word] words
    cdef vector[Region] regions
    cdef bint are_regions
    cdef int count
    cdef Py_ssize_t size
    cdef list lengths

    def __cinit__(self, list lengths, Py_ssize_t size):
        self.lengths, self.size, self.count, self.are_regions = lengths, size, len(DETECTORS), False

    def __call__(self, int which, Py_ssize_t start, Py_ssize_t end, flags, context):
        if self.are_regions:
            self.regions.push_back(Region(start, end - 2))
        elif which < self.count:
            self.hits.push_back(Hit(start, which, end - 2))
        else:
            which -= self.count
            self.words.push_back(Word(end - <Py_ssize_t>self.lengths[which], which))

    cdef size_t word_from(self, Py_ssize_t place):
        """Return the number of the first word that begins there or behind."""
        cdef size_t low = 0, high = self.words.size(), middle
        while low < high:
            middle = (low + high) // 2
            if self.words[middle].place < place:
                low = middle + 1
            else:
                high = middle
        return low


cdef class Judge:
    """Says what is personal data in some bytes.

    Args:
        bounded, plain: the patterns with and without a look at what stands around a match.

    Raises:
        ImportError: if Hyperscan is not installed.
    """

    cdef object marks_and_words, numbers, beside
    cdef list lengths, bounded, plain, meanings, checks, labels
    cdef vector[double] surest
    cdef vector[char] is_long, is_once, needs_word
    # For each detector, which bytes may not stand right behind it.
    cdef vector[vector[char]] edges
    # For each word, whether it speaks for each detector, and what is nothing without it or another one.
    cdef vector[vector[char]] speaks
    cdef vector[vector[int]] needed_by
    cdef double threshold
    cdef object host
    cdef int domain, email

    def __init__(self, bounded=BOUNDED, plain=PLAIN):
        made = automata()
        self.marks_and_words, self.numbers, self.beside = made.marks_and_words.scan, made.numbers.scan, made.beside.scan
        self.lengths, self.threshold, self.domain = word_lengths(), THRESHOLD, DOMAIN
        self.host, self.email = HOST.match, EMAIL
        self.bounded, self.plain = [one.match for one in bounded], [one.match for one in plain]
        self.meanings, self.checks = [plan[0] for plan in PLANS], [plan[1] for plan in PLANS]
        self.labels, self.needs_word = [plan[2] for plan in PLANS], [plan[3] for plan in PLANS]
        self.surest, self.needed_by = SUREST, NEEDED_BY
        self.speaks = [[number in beside for number in range(len(DETECTORS))] for beside in BESIDE]
        self.is_long = [number in LONG for number in range(len(DETECTORS))]
        self.is_once = [number in ONCE for number in range(len(DETECTORS))]
        self.edges = [[byte in edges for byte in range(256)] for edges in EDGES]

    def __call__(self, bytes data not None):
        """Return what is something, with places in bytes."""
        cdef Told told = Told(self.lengths, PyBytes_GET_SIZE(data))
        # Something stands before the first match, and behind the last.
        padded = b"\0" + data + b"\0"
        self.marks_and_words(padded, told)
        self.numbers(padded, told)
        if told.words.size():
            sort(told.words.begin(), told.words.end())
            told.are_regions = True
            self.beside(padded, told)
            self.add_beside(told)
        self.add_mail_addresses(told, data)
        self.add_domains(told, data)
        sort(told.hits.begin(), told.hits.end())
        return self.judged(told, data)

    cdef add_beside(self, Told told):
        """Add, for each region, what the words around it speak for."""
        cdef Region region
        cdef size_t index, turn = 0
        cdef int number
        cdef vector[size_t] added
        added.resize(self.is_long.size())
        for region in told.regions:
            turn += 1
            index = told.word_from(region.start - before)
            while index < told.words.size() and told.words[index].place < region.end + behind:
                for number in self.needed_by[told.words[index].word]:
                    if added[number] != turn:
                        added[number] = turn
                        told.hits.push_back(Hit(region.start, number, region.end))
                index += 1

    cdef add_mail_addresses(self, Told told, bytes data):
        """Add what stands before each "@", if a host may stand behind it."""
        cdef const unsigned char* text = <const unsigned char*>PyBytes_AS_STRING(data)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data), at = -1, start, lowest
        cdef const unsigned char* next_at
        while at + 1 < size:
            next_at = <const unsigned char*>memchr(text + at + 1, 64, size - at - 1)
            if next_at == NULL:
                return
            at = next_at - text
            lowest, start = max(0, at - 64), at
            while start > lowest and (is_alnum(text[start - 1]) or is_mark(text[start - 1])):
                start -= 1
            while start < at and is_mark(text[start]):
                start += 1
            if start < at and self.host(data, at + 1) is not None:
                told.hits.push_back(Hit(start, self.email, at))

    cdef add_domains(self, Told told, bytes data):
        """Add what may be a domain, from the first of its dots."""
        cdef const unsigned char* text = <const unsigned char*>PyBytes_AS_STRING(data)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data), done = 0, dot = -1, start, lowest
        cdef const unsigned char* next_dot
        match = self.plain[self.domain]
        while dot + 1 < size:
            next_dot = <const unsigned char*>memchr(text + dot + 1, 46, size - dot - 1)
            if next_dot == NULL:
                return
            dot = next_dot - text
            if dot < done or dot + 1 >= size or not is_alnum(text[dot + 1]):
                continue
            lowest, start = max(done, dot - 63), dot
            while start > lowest and (is_alnum(text[start - 1]) or text[start - 1] == 45):
                start -= 1
            while start < dot and text[start] == 45:
                start += 1
            found = match(data, start) if start < dot else None
            if found is None:
                continue
            done = found.end()
            # A part of a mail address or of a URL is none.
            if (start == 0 or not self.edges[self.domain][text[start - 1]]) and (done >= size or text[done] != 64):
                told.hits.push_back(Hit(start, self.domain, done))

    cdef list judged(self, Told told, bytes data):
        """See `judge.Judge`."""
        cdef const unsigned char* text = <const unsigned char*>PyBytes_AS_STRING(data)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data), place, stop, first, last, row_first, row_last
        cdef Py_ssize_t cover_first = 0, cover_last = 0
        cdef double cover_score = 0.0, score
        cdef int number
        cdef Hit hit
        cdef tuple row
        cdef list rows = []
        cdef vector[Py_ssize_t] looked
        looked.resize(self.is_long.size())
        for hit in told.hits:
            number, stop = hit.number, hit.end
            place = looked[number]
            if place >= stop or (
                hit.end <= cover_last and hit.start >= cover_first and self.surest[number] <= cover_score
            ):
                continue
            first = place = max(place, hit.start)
            found = self.bounded[number](data, place)
            while True:
                if found is None:
                    if place >= stop or self.is_long[number] or all_alnum(text, place, min(stop, size)):
                        break
                    found = self.search(data, text, number, place, min(stop, size))
                    if found is None:
                        break
                    first = found.start()
                last = found.end()
                found = None
                row = self.judge(told, data, text, number, first, last)
                if row is None:
                    row = self.shorter(told, data, text, number, first, last)
                if row is None:
                    place = last if self.is_once[number] else first + 1
                else:
                    rows.append(row)
                    row_first, row_last, score = row[0], row[1], row[2]
                    if row_last > cover_last or score >= cover_score:
                        cover_first, cover_last, cover_score = row_first, row_last, score
                    place = row_last if row_last > first else first + 1
                stop = max(stop, last)
                if self.is_long[number]:
                    break
            looked[number] = place if self.is_long[number] else stop
        return rows

    cdef object search(self, bytes data, const unsigned char* text, int number, Py_ssize_t first, Py_ssize_t last):
        """Return the first match that begins between these places: not within letters and digits."""
        cdef Py_ssize_t begin
        match = self.bounded[number]
        for begin in range(first, last):
            if text[begin] and not (begin and is_alnum(text[begin - 1])):
                found = match(data, begin)
                if found is not None:
                    return found
        return None

    cdef tuple shorter(
        self, Told told, bytes data, const unsigned char* text, int number, Py_ssize_t first, Py_ssize_t last
    ):
        """Return what is something of a match that is shorter than one that is nothing."""
        if self.checks[number] is None or all_alnum(text, first, last):
            return None
        for _ in range(shorter_at_most):
            found = self.plain[number](data, first, last - 1)
            if found is None:
                return None
            last = found.end()
            if self.edges[number][text[last]] and not (
                text[last] in sentence and (last + 1 >= told.size or not is_alnum(text[last + 1]))
            ):
                continue
            row = self.judge(told, data, text, number, first, last)
            if row is not None:
                return row
        return None

    cdef tuple judge(
        self, Told told, bytes data, const unsigned char* text, int number, Py_ssize_t first, Py_ssize_t last
    ):
        """Return a candidate without its label and what is loose at its end, or None if it is none."""
        cdef Py_ssize_t end
        cdef tuple meaning = self.meaning(told, text, number, first, last)
        if <double>meaning[0] < self.threshold:
            return None
        if self.labels[number] is not None:
            found = self.labels[number].match(data, first, last)
            if found is not None:
                first = found.end()
        if first >= last:
            return None
        if self.checks[number] is not None:
            try:
                if not self.checks[number](PyUnicode_DecodeUTF8(<char*>text + first, last - first, "replace")):
                    return None
            except (ValueError, IndexError):
                return None
        end = last
        if not all_alnum(text, first, last):
            # A key ends with dashes.
            if last - first < 5 or memcmp(text + last - 5, b"-----", 5):
                while end > first and text[end - 1] in loose:
                    end -= 1
            if text[first] == 40:
                first += memchr(text + first, 41, last - first) == NULL
            elif end > 0 and text[end - 1] == 41 and memchr(text + first, 40, last - first) == NULL:
                end -= 1
        return first, end, meaning[0], meaning[1], meaning[2]

    cdef tuple meaning(self, Told told, const unsigned char* text, int number, Py_ssize_t first, Py_ssize_t last):
        """Return what a match means, beside a word that speaks for it or without one."""
        cdef Py_ssize_t lowest = first - before, whole = first - before, stop = last + behind, low
        cdef size_t index
        cdef Word word
        if self.needs_word[number]:
            lowest, whole, stop = lowest + 1, last - before, first + behind + 1
        index = told.word_from(lowest)
        while index < told.words.size() and told.words[index].place < stop:
            word = told.words[index]
            index += 1
            if not self.speaks[word.word][number]:
                continue
            low = max(0, min(word.place, first))
            if memchr(text + low, 0, min(told.size, max(word.place, last)) - low) == NULL:
                return BESIDE[word.word][number] if word.place >= whole else self.meanings[number]
        return self.meanings[number]
