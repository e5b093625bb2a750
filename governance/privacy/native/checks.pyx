# cython: language_level=3
"""Loops of `find.patterns.checks`; each function has the name of its twin, which explains it."""

cdef str separators = " -.()/\u00a0"


def digits_of(str text not None):
    """See the twin."""
    cdef Py_UCS4 character
    for character in text:
        if not character.isdigit():
            return "".join([one for one in text if one not in separators])
    return text


def luhn(str digits not None):
    """See the twin."""
    cdef Py_ssize_t place, size = len(digits)
    cdef int value, total = 0
    for place in range(size):
        value = <int>digits[size - 1 - place] - 48
        if not 0 <= value <= 9:
            raise ValueError("a character is no digit")
        if place & 1:
            value = 2 * value - 9 if value > 4 else 2 * value
        total += value
    return total % 10 == 0


def mod_97(str text not None):
    """See the twin."""
    cdef Py_UCS4 character
    cdef int rest = 0
    if not text:
        raise ValueError("there is no digit")
    for character in text:
        if 48 <= character <= 57:
            rest = (10 * rest + <int>character - 48) % 97
        elif 65 <= character <= 90:
            rest = (100 * rest + <int>character - 55) % 97
        else:
            raise ValueError("neither a digit nor a capital")
    return rest


def digits_alone(str text not None):
    """See the twin."""
    cdef Py_UCS4 character
    cdef Py_ssize_t count = 0
    # Enough for any number; a longer text takes the slow way below.
    cdef char digits[64]
    for character in text:
        if 48 <= character <= 57:
            if count == 64:
                return "".join([one for one in text if "0" <= one <= "9"])
            digits[count] = <char>character
            count += 1
    return digits[:count].decode("ascii")
