"""The inner loops of detection in C: `native/X.pyx` has functions of the module `X.py`, under the same names.

They are compiled by Cython when the package is installed, where a compiler is available; without one, their twins in
Python do the same. The twin is the reference: change both, and `tests/privacy/native/test_native.py` compares them on
any input. What these functions read comes from requests, so every place is checked before it is read.

Order of reading: `in_c` below, then a twin, then its `.pyx` file; `candidate_filter.pyx` is the large one.
`python -m governance.privacy.native` says which files are compiled. This package must not do anything that its twins
do not do.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

Loop = TypeVar("Loop", bound=Callable[..., Any])
# For each compiled function, its twin; the tests compare them.
TWINS: dict[Callable[..., Any], Callable[..., Any]] = {}


def in_c(twin: Loop) -> Loop:
    """Return the compiled function of the same name, or the function itself if it was not compiled.

    Use it as a decorator of a module's function: for `checks.py` it looks in `native/checks.pyx`.

    Args:
        twin: the function in Python.
    """
    try:
        module = import_module(f"{__name__}.{twin.__module__.rpartition('.')[2]}")
    except ImportError:
        return twin
    loop: Loop = getattr(module, twin.__name__)
    TWINS[loop] = twin
    return loop
