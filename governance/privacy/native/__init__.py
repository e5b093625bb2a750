"""The inner loops of this package in C: `native/X.pyx` holds loops of `X.py`, under the same names.

They are compiled by Cython where a compiler is there when the package is installed; without one their twins in Python
do the same. What a twin says is what its loop must do: change both, and `tests/privacy/native/test_native.py` holds one
against the other. What these loops read comes from whoever sends a request: each place is checked before it is read.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

Loop = TypeVar("Loop", bound=Callable[..., Any])
# Of each loop that was compiled, its twin.
TWINS: dict[Callable[..., Any], Callable[..., Any]] = {}


def in_c(twin: Loop) -> Loop:
    """Return a function's loop in C, or the function where that was not compiled."""
    try:
        module = import_module(f"{__name__}.{twin.__module__.rpartition('.')[2]}")
    except ImportError:
        return twin
    loop: Loop = getattr(module, twin.__name__)
    TWINS[loop] = twin
    return loop
