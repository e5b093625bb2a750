"""Streamed answers: anonymized piece by piece, in units that depend on the text alone and not on how it was cut.

Plain text is cut behind a line or a sentence where no finding lies over the cut, as seen with a look ahead; an event of
server-sent events and a line of JSON lines are units as they are. What cannot be read ends the stream.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Sequence
from typing import Protocol

from governance.privacy.change.text import TextAnonymizer
from governance.privacy.find.finding import Finding
from governance.privacy.request.forms import change_words
from governance.privacy.request.paths import EVERYWHERE, DocumentPath

# In characters: the least unit, the longest one, what is looked at before and behind a cut.
LEAST, LONGEST, BEFORE, AHEAD = 256, 16_384, 128, 256
MAX_EVENT_CHARACTERS = 2**20
NO_TEXT = "a streamed answer that is to be anonymized is not UTF-8"
TOO_LONG = "a streamed answer has an event or line that is too long to be anonymized"

_BORDER = re.compile(r"\n|[.!?][\"')\]]{0,3}\s|[。！？]")
_SPACE = re.compile(r"\s")
_KEY_BEGIN, _KEY_END = "-----BEGIN", "-----END"
_EVENT_BEGINS = (b"data:", b"event:", b"id:", b"retry:", b":")
_FIELD = re.compile(r"(data|event|id|retry):[ ]?(.*)", re.DOTALL)


class StreamUnits(Protocol):
    """Takes an answer as it is made, and returns what may leave."""

    def feed(self, data: bytes, *, last: bool) -> bytes:
        """Return what is ready; with `last`, all that is left.

        Raises:
            RuntimeError: if the answer cannot be searched; nothing of what is held back may leave then.
        """


def units_of(
    media_type: str, anonymizer: TextAnonymizer, paths: Sequence[DocumentPath] = (EVERYWHERE,)
) -> StreamUnits | None:
    """Return what anonymizes a stream of this media type, or None if there is nothing that could."""
    if media_type == "text/event-stream":
        return EventsOrText(anonymizer, paths)
    if media_type in ("application/x-ndjson", "application/ndjson", "application/jsonl"):
        return JsonLines(anonymizer, paths)
    return PlainText(anonymizer) if media_type in ("text/plain", "text/markdown") else None


class _Decoder:
    """UTF-8 that chunks may cut anywhere; a byte order mark is none of the text."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._begun = False

    def decode(self, data: bytes, last: bool) -> str:
        try:
            text = self._decoder.decode(data, last)
        except UnicodeDecodeError:
            raise RuntimeError(NO_TEXT) from None
        # In UTF-16 and UTF-32, every other byte of a number is a NUL: to us, it would be no number.
        if "\0" in text:
            raise RuntimeError(NO_TEXT)
        if text and not self._begun:
            text, self._begun = text.removeprefix("\ufeff"), True
        return text


class PlainText:
    """Text; a unit is held back until it is known that no finding goes on behind it."""

    def __init__(self, anonymizer: TextAnonymizer) -> None:
        self._anonymizer, self._decoder = anonymizer, _Decoder()
        self._before, self._pending, self._tried = "", "", 0

    def feed(self, data: bytes, *, last: bool) -> bytes:
        """See `StreamUnits.feed`."""
        self._pending += self._decoder.decode(data, last)
        pieces = []
        while self._pending:
            cut = self._candidate(last)
            if cut is None:
                break
            piece = self._unit(cut, forced=cut == LONGEST)
            if piece is None:
                self._tried = cut
            else:
                pieces.append(piece)
        return "".join(pieces).encode("utf-8", "replace")

    def _candidate(self, last: bool) -> int | None:
        """Return the next place where a unit might end, or None if that cannot be known yet."""
        found = _BORDER.search(self._pending, max(self._tried, LEAST - 1))
        cut = found.end() if found is not None else len(self._pending)
        if found is None and not last and cut < LONGEST:
            return None
        cut = min(cut, LONGEST)
        return cut if last or len(self._pending) >= cut + AHEAD else None

    def _unit(self, cut: int, *, forced: bool) -> str | None:
        """Return the unit that ends here, changed, or None if something would be cut in two."""
        if forced and cut < len(self._pending):
            # A token that is longer than what is looked at ahead has no space in it.
            cut = max((space.end() for space in _SPACE.finditer(self._pending, LEAST, cut)), default=cut)
        shift = len(self._before)
        window = self._before + self._pending[: cut + AHEAD]
        findings = self._anonymizer.find([window])[0]
        whole = cut == len(self._pending)
        over = [f.start - shift for f in findings if f.start < cut + shift < f.end]
        opened = window.rfind(_KEY_BEGIN, 0, cut + shift) - shift
        if opened >= 0 and _KEY_END not in self._pending[opened:cut]:
            over.append(opened)
        if over and not whole:
            if not forced:
                return None
            cut = min(over)
            if cut <= 0:
                raise RuntimeError("a streamed answer holds something too long to be anonymized")
        inside = [
            Finding(f.entity, max(f.start - shift, 0), min(f.end - shift, cut), f.score, f.why)
            for f in findings
            if f.end > shift and f.start - shift < cut
        ]
        unit = self._pending[:cut]
        self._before, self._pending, self._tried = (self._before + unit)[-BEFORE:], self._pending[cut:], 0
        return self._anonymizer.change(unit, inside).text


class _Pending:
    """What waits for its end, in the pieces in which it came: joined once, and never longer than an event may be."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0

    @property
    def end(self) -> str:
        """The last character of it, if there is one."""
        return self._pieces[-1][-1] if self._pieces else ""

    def add(self, text: str) -> None:
        self._length += len(text)
        if self._length > MAX_EVENT_CHARACTERS:
            raise RuntimeError(TOO_LONG)
        if text:
            self._pieces.append(text)

    def take(self) -> str:
        taken = "".join(self._pieces)
        self._pieces, self._length = [], 0
        return taken


class JsonLines:
    """One JSON document a line; what is none is searched as text."""

    def __init__(self, anonymizer: TextAnonymizer, paths: Sequence[DocumentPath]) -> None:
        self._change = _changer(anonymizer, paths)
        self._decoder, self._pending = _Decoder(), _Pending()

    def feed(self, data: bytes, *, last: bool) -> bytes:
        """See `StreamUnits.feed`."""
        text = self._decoder.decode(data, last)
        if "\n" not in text and not last:
            self._pending.add(text)
            return b""
        *lines, rest = (self._pending.take() + text).split("\n")
        done = [self._change(line) + "\n" for line in lines]
        if last and rest:
            done.append(self._change(rest))
        else:
            self._pending.add(rest)
        return "".join(done).encode("utf-8", "replace")


class EventsOrText:
    """What is called an event stream: BentoML calls each generator of texts so, whether they are events or not."""

    def __init__(self, anonymizer: TextAnonymizer, paths: Sequence[DocumentPath]) -> None:
        self._anonymizer, self._paths = anonymizer, paths
        self._units: StreamUnits | None = None
        self._held = b""

    def feed(self, data: bytes, *, last: bool) -> bytes:
        """See `StreamUnits.feed`."""
        if self._units is None:
            self._held += data
            data = self._held
            head = data.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")
            if not last and any(begin.startswith(head) for begin in (*_EVENT_BEGINS, codecs.BOM_UTF8)):
                return b""
            events = head.startswith(_EVENT_BEGINS)
            self._units = Events(self._anonymizer, self._paths) if events else PlainText(self._anonymizer)
            self._held = b""
        return self._units.feed(data, last=last)


class Events:
    """Server-sent events (HTML, section 9.2): the data of one event is a unit, as JSON where it is some."""

    def __init__(self, anonymizer: TextAnonymizer, paths: Sequence[DocumentPath]) -> None:
        self._change, self._plain = _changer(anonymizer, paths), anonymizer
        self._decoder, self._pending = _Decoder(), _Pending()
        self._held = ""

    def feed(self, data: bytes, *, last: bool) -> bytes:
        """See `StreamUnits.feed`."""
        text = self._held + self._decoder.decode(data, last)
        # A carriage return at the end may be the first half of a line's end.
        self._held = "\r" if text.endswith("\r") and not last else ""
        text = re.sub(r"\r\n?", "\n", text[: len(text) - len(self._held)])
        if "\n\n" not in self._pending.end + text and not last:
            self._pending.add(text)
            return b""
        *events, rest = (self._pending.take() + text).split("\n\n")
        done = [self._event(event) + "\n\n" for event in events]
        if last and rest:
            done.append(self._event(rest))
        else:
            self._pending.add(rest)
        return "".join(done).encode("utf-8", "replace")

    def _event(self, event: str) -> str:
        lines, data = list[str](), list[str]()
        for line in event.split("\n"):
            field = _FIELD.fullmatch(line)
            if field is not None and field[1] == "data":
                data.append(field[2])
            elif field is not None:
                lines.append(f"{field[1]}: {self._plain.anonymize([field[2]])[0].text}")
            else:
                lines.append(self._plain.anonymize([line])[0].text)
        if data:
            lines += [f"data: {line}" for line in self._change("\n".join(data)).split("\n")]
        return "\n".join(lines)


def _changer(anonymizer: TextAnonymizer, paths: Sequence[DocumentPath]) -> Callable[[str], str]:
    def change(text: str) -> str:
        _verify_length(text)
        return change_words(text, anonymizer.anonymize, paths).text

    return change


def _verify_length(text: str) -> None:
    if len(text) > MAX_EVENT_CHARACTERS:
        raise RuntimeError(TOO_LONG)
