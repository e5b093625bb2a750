"""Texts that are read together, as one long text is read several times as fast as many short ones."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from governance.privacy.find.characters import holds_controls, readable, without_controls
from governance.privacy.native import in_c

# So many characters are read together, with this between texts.
SIZE, BARRIER = 262_144, "\0"


@in_c
def origins_of(texts: Sequence[str]) -> list[int]:
    """Return where each text begins, with a barrier between two."""
    ends = accumulate(map(len, texts))
    return [0, *(end + count for count, end in enumerate(ends, 1))][:-1]


@dataclass(slots=True)
class Batch:
    """Texts that are read together: NUL stands between them, and neither match nor context crosses one.

    Attributes:
        numbers: of the texts.
        text: all of them, as people see them.
        data: the same in UTF-8.
        begins: where each begins in `text`.
        origins: where each began before what is invisible was taken out.
        removed: what `readable` tells of that.
    """

    numbers: Sequence[int]
    text: str
    data: bytes
    begins: Sequence[int]
    origins: Sequence[int]
    removed: Sequence[int]

    @classmethod
    def of(cls, texts: Sequence[str], numbers: Sequence[int]) -> Batch:
        """Put texts together."""
        chosen = texts if len(numbers) == len(texts) else [texts[number] for number in numbers]
        joined = BARRIER.join(chosen)
        data = joined.encode("utf-8", "replace")
        if holds_controls(data, len(chosen) - 1):
            joined = BARRIER.join(map(without_controls, chosen))
        text, removed = readable(joined)
        if not joined.isascii():
            data = text.encode("utf-8", "replace")
        origins = begins = origins_of(chosen)
        if removed:
            gone = [place + count for count, place in enumerate(removed)]
            begins = [origin - bisect.bisect_left(gone, origin) for origin in origins]
        return cls(numbers, text, data, begins, origins, removed)

    def texts(self) -> list[str]:
        """Return each text as people see it."""
        ends = [begin - 1 for begin in self.begins[1:]]
        return [self.text[begin:end] for begin, end in zip(self.begins, [*ends, len(self.text)], strict=True)]


def batches(texts: Sequence[str]) -> Iterator[Batch]:
    """Yield texts in batches, those of ASCII alone and the others: of these, places differ."""
    if texts and sum(map(len, texts)) < SIZE and all(map(str.isascii, texts)):
        yield Batch.of(texts, range(len(texts)))
        return
    pending: dict[bool, list[int]] = {True: [], False: []}
    sizes = {True: 0, False: 0}
    for number, text in enumerate(texts):
        kind = text.isascii()
        pending[kind].append(number)
        sizes[kind] += len(text)
        if sizes[kind] >= SIZE:
            yield Batch.of(texts, pending[kind])
            pending[kind], sizes[kind] = [], 0
    yield from (Batch.of(texts, numbers) for numbers in pending.values() if numbers)
