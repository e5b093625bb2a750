"""Many texts as one, because one long text is searched several times as fast as many short ones."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from governance.privacy.find.characters import has_controls, replace_controls, to_plain
from governance.privacy.native import in_c

# About how many characters are searched at a time.
SIZE = 262_144
# Between two texts. No pattern matches it, and no context word counts across it.
SEPARATOR = "\0"


@in_c
def text_offsets(texts: Sequence[str]) -> list[int]:
    """Return where each text begins if one separator is between two.

    Example: `text_offsets(["ab", "c", "d"])` is `[0, 3, 5]`.
    """
    ends = accumulate(map(len, texts))
    return [0, *(end + count for count, end in enumerate(ends, 1))][:-1]


@dataclass(slots=True)
class JoinedTexts:
    """Texts that are searched together.

    Attributes:
        numbers: the number of each text in the sequence that was passed to `join_texts`.
        text: all of them without invisible and look-alike characters, with NUL between two.
        data: `text` in UTF-8.
        begins: where each text begins in `text`, in code points.
        origins: where each text begins before invisible characters were removed.
        removed: the places in `text` where an invisible character was removed, sorted; see `characters.to_plain`.
    """

    numbers: Sequence[int]
    text: str
    data: bytes
    begins: Sequence[int]
    origins: Sequence[int]
    removed: Sequence[int]

    @classmethod
    def of(cls, texts: Sequence[str], numbers: Sequence[int]) -> JoinedTexts:
        """Join some of these texts.

        Args:
            texts: all texts.
            numbers: of those to join, in ascending order.
        """
        chosen = texts if len(numbers) == len(texts) else [texts[number] for number in numbers]
        joined = SEPARATOR.join(chosen)
        data = joined.encode("utf-8", "replace")
        # A NUL within a text would separate it into two: control characters are replaced text by text.
        if has_controls(data, len(chosen) - 1):
            joined = SEPARATOR.join(map(replace_controls, chosen))
        text, removed = to_plain(joined)
        if not joined.isascii():
            data = text.encode("utf-8", "replace")
        origins = begins = text_offsets(chosen)
        if removed:
            # `removed` holds places in `text`; with the number of earlier ones added they are places in `joined`.
            gone = [place + count for count, place in enumerate(removed)]
            begins = [origin - bisect.bisect_left(gone, origin) for origin in origins]
        return cls(numbers, text, data, begins, origins, removed)

    def texts(self) -> list[str]:
        """Return each text without invisible and look-alike characters."""
        ends = [begin - 1 for begin in self.begins[1:]]
        return [self.text[begin:end] for begin, end in zip(self.begins, [*ends, len(self.text)], strict=True)]


def join_texts(texts: Sequence[str]) -> Iterator[JoinedTexts]:
    """Yield all texts, joined to about `SIZE` characters; texts in ASCII and others are joined apart.

    In ASCII a place in bytes is one in code points, so those texts need no conversion of places.

    Args:
        texts: any texts; a text longer than `SIZE` is not split.
    """
    if texts and sum(map(len, texts)) < SIZE and all(map(str.isascii, texts)):
        yield JoinedTexts.of(texts, range(len(texts)))
        return
    pending: dict[bool, list[int]] = {True: [], False: []}
    sizes = {True: 0, False: 0}
    for number, text in enumerate(texts):
        kind = text.isascii()
        pending[kind].append(number)
        sizes[kind] += len(text)
        if sizes[kind] >= SIZE:
            yield JoinedTexts.of(texts, pending[kind])
            pending[kind], sizes[kind] = [], 0
    yield from (JoinedTexts.of(texts, numbers) for numbers in pending.values() if numbers)
