# cython: language_level=3
"""The loop of `find.joined_texts`; the twin explains it."""


def text_offsets(texts):
    """See the twin."""
    cdef Py_ssize_t origin = 0
    cdef list origins = []
    for text in texts:
        origins.append(origin)
        origin += len(text) + 1
    return origins
