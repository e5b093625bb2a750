# cython: language_level=3
"""The loop of `request.leaves`; the twin explains it."""


def descend(list pending not None, leaves, Py_ssize_t most):
    """See the twin."""
    cdef list containers = leaves.containers, keys = leaves.keys, texts = leaves.texts
    cdef Py_ssize_t members = 0, floats = 0
    while len(texts) <= most:
        if not pending:
            leaves.members += members
            leaves.floats += floats
            return True
        container = pending.pop()
        if isinstance(container, dict):
            members += len(container)
            pairs = container.items()
        else:
            pairs = enumerate(container)
        for key, value in pairs:
            if isinstance(value, str):
                containers.append(container)
                keys.append(key)
                texts.append(value)
            elif isinstance(value, (dict, list)):
                pending.append(value)
            elif isinstance(value, float):
                floats += 1
    return False
