"""Generalisation until k holds: of all combinations of levels the one that loses least.

Full-domain generalisation (Samarati 2001): equal values become equal everywhere, so that what was learnt from the
table can be asked with the same ranges. The lattice of levels is searched as Flash does (Kohlmayer et al. 2012): the
rows that have to go become fewer upwards, so one test settles all that lies below or above. Nodes are taken in the
order of their loss, so the first that holds is the best there is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from governance.errors import BadRequestError, ConfigurationError
from governance.privacy.datasets.risk.hierarchy import Level
from governance.privacy.datasets.risk.risk import Coded, Codes

MAX_NODES = 200_000
_UNKNOWN, _FAILS, _HOLDS = 0, 1, 2

Node = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to hold: classes of `k` rows, with `l` values of each sensitive column; and the share that may go."""

    k: int
    l: int = 1  # noqa: E741 — it is called so everywhere
    max_suppression: float = 0.0


@dataclass(frozen=True, slots=True)
class Generalised:
    """What was chosen.

    Attributes:
        levels: of each quasi-identifier.
        kept: for each row whether it stays.
        loss: the normalized certainty penalty of what stays, 0 to 1; a row that goes counts 1.
        discernibility: the sum of squared class sizes; a row that goes counts as many as there are (Bayardo 2005).
        tested: how many combinations were tested, of how many.
    """

    levels: tuple[Level, ...]
    kept: np.ndarray[tuple[int], np.dtype[np.bool_]]
    loss: float
    discernibility: int
    tested: int
    nodes: int


def generalise(
    quasi: Sequence[Coded], levels: Sequence[Sequence[Level]], sensitive: Sequence[Coded], wanted: Wanted
) -> Generalised:
    """Find the combination of levels that loses least and holds.

    Raises:
        ConfigurationError: if there are too many combinations.
        BadRequestError: if none holds.
    """
    shape = tuple(len(several) for several in levels)
    if np.prod(shape, dtype=float) > MAX_NODES:
        raise ConfigurationError(f"there are more than {MAX_NODES} combinations of levels: give fewer in --hierarchy")
    search = _Search(quasi, levels, sensitive, wanted)
    node = _least_loss(search, shape)
    if node is None:
        raise BadRequestError(_sentence(search, wanted))
    bad, ids, sizes = search.failing(node)
    kept = ~bad[ids][search.row_of] if len(bad) else np.zeros(0, bool)
    chosen = tuple(several[level] for several, level in zip(levels, node, strict=True))
    each = np.mean([level.loss[column.codes] for level, column in zip(chosen, quasi, strict=True)], axis=0)
    gone = int((~kept).sum())
    return Generalised(
        chosen,
        kept,
        float(np.where(kept, each, 1.0).mean()),
        int((sizes[~bad].astype(object) ** 2).sum()) + gone * len(kept),
        search.tested,
        int(np.prod(shape)),
    )


def _sentence(search: _Search, wanted: Wanted) -> str:
    asked = f"k = {wanted.k}" + (f" with l = {wanted.l}" if wanted.l > 1 else "")
    return (
        f"{asked} cannot be reached: even with every quasi-identifier as '*' it does not hold for "
        f"{search.rows} rows; ask for less, or bring more rows"
    )


class _Search:
    """Tests nodes, on distinct combinations of values with their numbers of rows."""

    def __init__(
        self, quasi: Sequence[Coded], levels: Sequence[Sequence[Level]], sensitive: Sequence[Coded], wanted: Wanted
    ) -> None:
        self._levels, self._wanted, self.tested = levels, wanted, 0
        ids = np.zeros(len(quasi[0].codes), np.int64)
        for column in quasi:
            _, ids = np.unique(ids * max(len(column.values), 1) + column.codes, return_inverse=True)
        self.row_of, self.rows = ids, len(ids)
        _, first = np.unique(ids, return_index=True)
        self._codes = [column.codes[first] for column in quasi]
        self._weights = np.bincount(ids)
        self._pairs = []
        for column in sensitive if wanted.l > 1 else ():
            width = max(len(column.values), 1)
            pairs = np.unique(ids * width + column.codes)
            self._pairs.append((pairs // width, pairs % width, width))
        self.allowed = int(wanted.max_suppression * self.rows)
        self.losses = [
            [float(level.loss[column.codes].mean()) for level in several]
            for column, several in zip(quasi, levels, strict=True)
        ]

    def failing(self, node: Node) -> tuple[Any, Codes, Codes]:
        """Return which classes fail, the class of each combination, and the rows of each class."""
        ids = np.zeros(len(self._weights), np.int64)
        for several, level, codes in zip(self._levels, node, self._codes, strict=True):
            _, ids = np.unique(ids * several[level].groups + several[level].codes[codes], return_inverse=True)
        sizes = np.bincount(ids, self._weights).astype(np.int64)
        bad = sizes < self._wanted.k
        for of, value, width in self._pairs:
            distinct = np.bincount(np.unique(ids[of] * width + value) // width, minlength=len(sizes))
            bad |= distinct < self._wanted.l
        return bad, ids, sizes

    def holds(self, node: Node) -> bool:
        """Return whether so few rows have to go that it is allowed, and some stay."""
        self.tested += 1
        bad, _, sizes = self.failing(node)
        gone = int(sizes[bad].sum())
        return gone <= self.allowed and gone < self.rows


def _least_loss(search: _Search, shape: tuple[int, ...]) -> Node | None:
    known = np.full(shape, _UNKNOWN, np.int8)
    loss = sum(np.array(several).reshape([-1 if i == axis else 1 for i in range(len(shape))])
               for axis, several in enumerate(search.losses))  # fmt: skip
    for place in np.argsort(np.broadcast_to(loss, shape), axis=None, kind="stable"):
        node = tuple(int(level) for level in np.unravel_index(place, shape))
        if known[node] == _UNKNOWN:
            _settle(_chain(node, shape, search.losses), known, search.holds)
        if known[node] == _HOLDS:
            return node
    return None


def _chain(node: Node, shape: tuple[int, ...], losses: Sequence[Sequence[float]]) -> list[Node]:
    """Return a way up to the top, by the step that loses least."""
    chain = [node]
    while any(level + 1 < size for level, size in zip(node, shape, strict=True)):
        axes = [axis for axis, level in enumerate(node) if level + 1 < shape[axis]]
        axis = min(axes, key=lambda place: losses[place][node[place] + 1] - losses[place][node[place]])
        node = (*node[:axis], node[axis] + 1, *node[axis + 1 :])
        chain.append(node)
    return chain


def _settle(chain: Sequence[Node], known: Any, holds: Callable[[Node], bool]) -> None:
    """Find where on a chain it begins to hold; what lies below a failing node fails, above a holding one it holds."""
    low, high = 0, len(chain)
    while low < high:
        middle = (low + high) // 2
        node = chain[middle]
        if known[node] == _UNKNOWN:
            if holds(node):
                known[tuple(slice(level, None) for level in node)] = _HOLDS
            else:
                known[tuple(slice(None, level + 1) for level in node)] = _FAILS
        if known[node] == _HOLDS:
            high = middle
        else:
            low = middle + 1
