"""Generalisation: of all combinations of levels that reach k-anonymity, the one that loses least information.

Full-domain generalisation (Samarati 2001): equal values become equal in all rows, so that a model trained on the result
can be queried with the same ranges. A combination of levels is a node of a lattice, which is searched as in Flash
(Kohlmayer et al. 2012): coarser nodes suppress fewer rows, so one test decides all nodes below a failing one, and all
above a passing one. Nodes are taken in the order of their loss, so the first that passes is the best.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from governance.errors import BadRequestError, ConfigurationError
from governance.privacy.datasets.risk.columns import Codes, EncodedColumn
from governance.privacy.datasets.risk.hierarchy import HierarchyLevel

MAX_NODES = 200_000
_UNKNOWN, _FAILS, _HOLDS = 0, 1, 2

Node = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KAnonymity:
    """What generalisation must reach.

    Attributes:
        k: Least number of rows that are equal in all quasi-identifiers.
        l: Least number of different values of each sensitive column among equal rows.
        max_suppression: Share of the rows that may be left out, 0 to 1.
    """

    k: int
    l: int = 1  # noqa: E741 — the name in the literature
    max_suppression: float = 0.0


@dataclass(frozen=True, slots=True)
class Generalisation:
    """The chosen levels, and their cost.

    Attributes:
        levels: The level of each quasi-identifier.
        kept: For each row whether it is kept; shape [rows].
        loss: Normalized certainty penalty, 0 to 1, averaged over the rows; a suppressed row counts 1.
        discernibility: Sum of squared class sizes; a suppressed row counts the number of all rows (Bayardo 2005).
        tested: Combinations that were tested.
        nodes: Combinations that there are.
    """

    levels: tuple[HierarchyLevel, ...]
    kept: np.ndarray[tuple[int], np.dtype[np.bool_]]
    loss: float
    discernibility: int
    tested: int
    nodes: int


def generalise(
    quasi: Sequence[EncodedColumn],
    levels: Sequence[Sequence[HierarchyLevel]],
    sensitive: Sequence[EncodedColumn],
    target: KAnonymity,
) -> Generalisation:
    """Find the combination of levels that reaches the target with the least loss.

    Args:
        quasi: The quasi-identifiers.
        levels: The levels of each, the finest first, as `levels_of` returns them.
        sensitive: The sensitive columns.
        target: What must be reached.

    Raises:
        ConfigurationError: If there are more than `MAX_NODES` combinations.
        BadRequestError: If no combination reaches the target.
    """
    shape = tuple(len(several) for several in levels)
    if np.prod(shape, dtype=float) > MAX_NODES:
        raise ConfigurationError(
            f"there are more than {MAX_NODES} combinations of levels: give fewer levels (--hierarchy)"
        )
    search = _Search(quasi, levels, sensitive, target)
    node = _least_loss(search, shape)
    if node is None:
        raise BadRequestError(_sentence(search, target))
    bad, ids, sizes = search.failing(node)
    kept = ~bad[ids][search.row_of] if len(bad) else np.zeros(0, bool)
    chosen = tuple(several[level] for several, level in zip(levels, node, strict=True))
    each = np.mean([level.loss[column.codes] for level, column in zip(chosen, quasi, strict=True)], axis=0)
    gone = int((~kept).sum())
    return Generalisation(
        chosen,
        kept,
        float(np.where(kept, each, 1.0).mean()),
        int((sizes[~bad].astype(object) ** 2).sum()) + gone * len(kept),
        search.tested,
        int(np.prod(shape)),
    )


def _sentence(search: _Search, target: KAnonymity) -> str:
    goal = f"k = {target.k}" + (f" with l = {target.l}" if target.l > 1 else "")
    return (
        f"{goal} cannot be reached with {search.rows} rows, not even with every quasi-identifier as '*': lower it, or "
        "add rows"
    )


class _Search:
    """Tests nodes on the distinct combinations of values, each with its number of rows."""

    def __init__(
        self,
        quasi: Sequence[EncodedColumn],
        levels: Sequence[Sequence[HierarchyLevel]],
        sensitive: Sequence[EncodedColumn],
        target: KAnonymity,
    ) -> None:
        self._levels, self._target, self.tested = levels, target, 0
        ids = np.zeros(len(quasi[0].codes), np.int64)
        for column in quasi:
            _, ids = np.unique(ids * max(len(column.values), 1) + column.codes, return_inverse=True)
        self.row_of, self.rows = ids, len(ids)
        _, first = np.unique(ids, return_index=True)
        self._codes = [column.codes[first] for column in quasi]
        self._weights = np.bincount(ids)
        self._pairs = []
        for column in sensitive if target.l > 1 else ():
            width = max(len(column.values), 1)
            pairs = np.unique(ids * width + column.codes)
            self._pairs.append((pairs // width, pairs % width, width))
        self.allowed = int(target.max_suppression * self.rows)
        self.losses = [
            [float(level.loss[column.codes].mean()) for level in several]
            for column, several in zip(quasi, levels, strict=True)
        ]

    def failing(self, node: Node) -> tuple[Any, Codes, Codes]:
        """Return which classes fail, the class of each combination of values, and the size of each class."""
        ids = np.zeros(len(self._weights), np.int64)
        for several, level, codes in zip(self._levels, node, self._codes, strict=True):
            _, ids = np.unique(ids * several[level].groups + several[level].codes[codes], return_inverse=True)
        sizes = np.bincount(ids, self._weights).astype(np.int64)
        bad = sizes < self._target.k
        for of, value, width in self._pairs:
            distinct = np.bincount(np.unique(ids[of] * width + value) // width, minlength=len(sizes))
            bad |= distinct < self._target.l
        return bad, ids, sizes

    def holds(self, node: Node) -> bool:
        """Return whether the suppressed rows are not too many, and not all."""
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
    """Return a path from a node to the coarsest one, each step the one that loses least."""
    chain = [node]
    while any(level + 1 < size for level, size in zip(node, shape, strict=True)):
        axes = [axis for axis, level in enumerate(node) if level + 1 < shape[axis]]
        axis = min(axes, key=lambda place: losses[place][node[place] + 1] - losses[place][node[place]])
        node = (*node[:axis], node[axis] + 1, *node[axis + 1 :])
        chain.append(node)
    return chain


def _settle(chain: Sequence[Node], known: Any, holds: Callable[[Node], bool]) -> None:
    """Find by bisection where the nodes of a chain begin to pass, and mark all nodes below and above.

    All nodes below a failing node fail, and all above a passing one pass.
    """
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
