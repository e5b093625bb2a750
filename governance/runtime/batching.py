"""Batching: requests to one model that wait at the same time run as one batch.

Nothing waits for a batch to fill: what arrived in turns of the event loop that each brought a request, or while another
batch ran, runs together. Each request gets copies of its own rows. If a batch fails, each of its requests runs alone
and gets its own error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Tensors = Mapping[str, Array]
# Outputs by name, and the seconds inside the runtime.
Result = tuple[dict[str, Array], float]
Run = Callable[[Tensors], Result]

# A longer run would block the other requests of the event loop, so it goes to a thread.
INLINE_SECONDS = 0.001
MAX_ITEMS = 32
SMOOTHING = 0.1


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One request: its tensors, their number of rows, and the shapes and types that a batch has in common."""

    inputs: Tensors
    items: int
    form: tuple[object, ...]
    future: asyncio.Future[Result]


class Batcher:
    """Gathers requests to one model whose rows do not influence each other.

    Args:
        run: runs a batch; may be called from any thread.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._waiting: list[_Waiting] = []
        self._is_scheduled = False
        # How many waited at the last turn of the event loop.
        self._gathered = 0
        self._seconds_per_item = INLINE_SECONDS

    async def infer(self, inputs: Tensors, items: int) -> Result:
        """Run the rows of one request, with those of others if they wait too.

        Args:
            inputs: a tensor for each input, the batch first.
            items: how many rows each has.

        Returns:
            the outputs of these rows by name, and their part of the seconds inside the runtime.
        """
        loop = asyncio.get_running_loop()
        form = tuple((name, array.shape[1:], array.dtype) for name, array in inputs.items())
        waiting = _Waiting(inputs, items, form, loop.create_future())
        self._waiting.append(waiting)
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._run_next)
        return await waiting.future

    def _run_next(self) -> None:
        """Run the first group of what waits: directly if it is short, else in a thread.

        While each turn of the event loop brings more requests, it has other work than to wait: they are gathered.
        """
        if self._gathered < len(self._waiting) < MAX_ITEMS:
            self._gathered = len(self._waiting)
            asyncio.get_running_loop().call_soon(self._run_next)
            return
        self._gathered = 0
        group = self._take()
        if not group:
            self._is_scheduled = False
            return
        loop = asyncio.get_running_loop()
        if self._seconds_per_item * sum(one.items for one in group) <= INLINE_SECONDS:
            self._complete(group, self._outcomes(group))
        else:
            done = loop.run_in_executor(None, self._outcomes, group)
            done.add_done_callback(lambda outcomes: self._complete(group, outcomes.result()))

    def _take(self) -> list[_Waiting]:
        """Remove and return the first request that waits, and those after it that fit into its batch."""
        self._waiting = [one for one in self._waiting if not one.future.done()]
        if not self._waiting:
            return []
        most = min(MAX_ITEMS, int(INLINE_SECONDS / self._seconds_per_item) or MAX_ITEMS)
        group, others, items = list[_Waiting](), list[_Waiting](), 0
        for one in self._waiting:
            if not group or (one.form == group[0].form and items + one.items <= most):
                group.append(one)
                items += one.items
            else:
                others.append(one)
        self._waiting = others
        return group

    def _complete(self, group: Sequence[_Waiting], outcomes: Sequence[Result | Exception]) -> None:
        seconds = sum(outcome[1] for outcome in outcomes if not isinstance(outcome, Exception))
        items = sum(one.items for one in group)
        self._seconds_per_item += SMOOTHING * (seconds / max(items, 1) - self._seconds_per_item)
        for one, outcome in zip(group, outcomes, strict=True):
            if one.future.done():
                continue
            if isinstance(outcome, Exception):
                one.future.set_exception(outcome)
            else:
                one.future.set_result(outcome)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._run_next)
        else:
            self._is_scheduled = False

    def _outcomes(self, group: Sequence[_Waiting]) -> list[Result | Exception]:
        if len(group) > 1:
            try:
                return [*self._together(group)]
            except Exception:  # noqa: S110 -- each request runs alone below, and gets its own error
                pass
        return [self._alone(one) for one in group]

    def _together(self, group: Sequence[_Waiting]) -> list[Result]:
        joined = {name: np.concatenate([one.inputs[name] for one in group]) for name in group[0].inputs}
        outputs, seconds = self._run(joined)
        total, start = sum(one.items for one in group), 0
        if any(array.shape[:1] != (total,) for array in outputs.values()):
            raise ValueError("an output has not one row for each row of the inputs")
        results: list[Result] = []
        for one in group:
            end = start + one.items
            own = {name: array[start:end].copy() for name, array in outputs.items()}
            results.append((own, seconds * one.items / total))
            start = end
        return results

    def _alone(self, one: _Waiting) -> Result | Exception:
        try:
            return self._run(one.inputs)
        except Exception as error:
            return error
