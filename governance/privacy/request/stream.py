"""Streamed answers: anonymized in units, which depend only on the text and not on how it was split into chunks.

Plain text is cut after a line or a sentence where no finding spans the cut; some text after the cut is read to know
that. An event of server-sent events, and a line of JSON lines, is one unit. A stream that cannot be read is ended with
an error, so that nothing is sent unsearched.
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
from governance.privacy.request.text_body import BodyKind, kind_of, without_references

# In characters: the shortest unit, the longest unit, and how much is searched before and after a cut.
LEAST, LONGEST, BEFORE, AHEAD = 256, 16_384, 128, 256
MAX_EVENT_CHARACTERS = 2**20
# In characters: `&`, a name of up to 32 letters, and `;`.
LONGEST_REFERENCE = 34
NO_TEXT = "a streamed answer must be anonymized, but is not UTF-8"
TOO_LONG = "a streamed answer must be anonymized, but has an event or line that is too long"

_BORDER = re.compile(r"\n|[.!?][\"')\]]{0,3}\s|[。！？]")
_SPACE = re.compile(r"\s")
_KEY_BEGIN, _KEY_END = "-----BEGIN", "-----END"
_EVENT_BEGINS = (b"data:", b"event:", b"id:", b"retry:", b":")
_FIELD = re.compile(r"(data|event|id|retry):[ ]?(.*)", re.DOTALL)


class StreamUnits(Protocol):
    """Takes the chunks of an answer, and returns the anonymized units that may be sent."""

    def feed(self, data: bytes, *, last: bool) -> bytes:
        """Return the units that are complete.

        Args:
            data: The next chunk, cut anywhere, even inside a character.
            last: Whether the answer ends with this chunk; all remaining text is returned then.

        Raises:
            RuntimeError: If the answer cannot be searched; the text that is held back must not be sent then.
        """


def units_of(
    media_type: str, anonymizer: TextAnonymizer, paths: Sequence[DocumentPath] = (EVERYWHERE,)
) -> StreamUnits | None:
    """Return the units for a media type, or None if streams of this type cannot be anonymized.

    Args:
        media_type: Lower-case and without parameters, such as `text/plain`.
        anonymizer: Finds and changes personal data.
        paths: Where free text is in JSON documents; everywhere by default.
    """
    kind = kind_of(media_type)
    if kind is BodyKind.EVENTS:
        return EventsOrText(anonymizer, paths)
    if kind is BodyKind.JSON_LINES:
        return JsonLines(anonymizer, paths)
    if kind is BodyKind.MARKUP:
        return Markup(anonymizer)
    return PlainText(anonymizer) if kind is BodyKind.TEXT else None


class _Decoder:
    """Decodes UTF-8 that chunks may cut anywhere, without a byte order mark."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._begun = False

    def decode(self, data: bytes, last: bool) -> str:
        try:
            text = self._decoder.decode(data, last)
        except UnicodeDecodeError:
            raise RuntimeError(NO_TEXT) from None
        # UTF-16 and UTF-32 have NUL bytes between the digits of a number, which would hide it from the search.
        if "\0" in text:
            raise RuntimeError(NO_TEXT)
        if text and not self._begun:
            text, self._begun = text.removeprefix("\ufeff"), True
        return text


class PlainText:
    """Units of plain text: one or more lines or sentences, held back until no finding can span their end.

    Args:
        anonymizer: Finds and changes personal data.
    """

    def __init__(self, anonymizer: TextAnonymizer) -> None:
        self._anonymizer, self._decoder = anonymizer, _Decoder()
        self._before, self._pending, self._tried = "", "", 0

    def feed(self, data: bytes, *, last: bool) -> bytes:
        """Return the units that are complete; see `StreamUnits.feed`."""
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
        """Return the next possible end of a unit, or None if more text is needed to know it."""
        found = _BORDER.search(self._pending, max(self._tried, LEAST - 1))
        cut = found.end() if found is not None else len(self._pending)
        if found is None and not last and cut < LONGEST:
            return None
        cut = min(cut, LONGEST)
        return cut if last or len(self._pending) >= cut + AHEAD else None

    def _unit(self, cut: int, *, forced: bool) -> str | None:
        """Return the changed unit that ends at `cut`, or None if a finding spans the cut.

        Args:
            cut: End of the unit in the pending text.
            forced: Whether the unit has its greatest length, so that it must end here or earlier.

        Raises:
            RuntimeError: If the end is forced, and one finding is longer than a unit may be.
        """
        if forced and cut < len(self._pending):
            # A secret may be longer than AHEAD, but has no space in it: cut at the last space.
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
                raise RuntimeError("a streamed answer must be anonymized, but has a finding that is too long")
        inside = [
            Finding(f.entity, max(f.start - shift, 0), min(f.end - shift, cut), f.score, f.why)
            for f in findings
            if f.end > shift and f.start - shift < cut
        ]
        unit = self._pending[:cut]
        self._before, self._pending, self._tried = (self._before + unit)[-BEFORE:], self._pending[cut:], 0
        return self._anonymizer.change(unit, inside).text


class Markup:
    """Units of HTML or XML: as plain text, with character references replaced by the characters.

    Args:
        anonymizer: Finds and changes personal data.
    """

    def __init__(self, anonymizer: TextAnonymizer) -> None:
        self._units, self._decoder, self._held = PlainText(anonymizer), _Decoder(), ""

    def feed(self, data: bytes, *, last: bool) -> bytes:
        """Return the units that are complete; see `StreamUnits.feed`."""
        text = self._held + self._decoder.decode(data, last)
        # A reference may be cut by the end of a chunk.
        cut = text.rfind("&", max(len(text) - LONGEST_REFERENCE, 0))
        cut = len(text) if last or cut < 0 or ";" in text[cut:] else cut
        text, self._held = text[:cut], text[cut:]
        return self._units.feed(without_references(text).encode("utf-8"), last=last)


class _Pending:
    """Text of an event or line whose end has not come yet; its pieces are joined once, and its length is limited."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0

    @property
    def end(self) -> str:
        """The last character, or "" if there is none."""
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
    """Units of JSON lines: one document for each line; a line that is not JSON is searched as text.

    Args:
        anonymizer: Finds and changes personal data.
        paths: Where free text is in a document.
    """

    def __init__(self, anonymizer: TextAnonymizer, paths: Sequence[DocumentPath]) -> None:
        self._change = _changer(anonymizer, paths)
        self._decoder, self._pending = _Decoder(), _Pending()

    def feed(self, data: bytes, *, last: bool) -> bytes:
        """Return the units that are complete; see `StreamUnits.feed`."""
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
    """Units of a stream with the media type text/event-stream, which BentoML gives to every generator of texts.

    The first bytes decide whether it has events or is plain text.

    Args:
        anonymizer: Finds and changes personal data.
        paths: Where free text is in events that are JSON.
    """

    def __init__(self, anonymizer: TextAnonymizer, paths: Sequence[DocumentPath]) -> None:
        self._anonymizer, self._paths = anonymizer, paths
        self._units: StreamUnits | None = None
        self._held = b""

    def feed(self, data: bytes, *, last: bool) -> bytes:
        """Return the units that are complete; see `StreamUnits.feed`."""
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
    """Units of server-sent events (HTML, section 9.2): the data of one event, searched as JSON if it is JSON.

    Args:
        anonymizer: Finds and changes personal data.
        paths: Where free text is in events that are JSON.
    """

    def __init__(self, anonymizer: TextAnonymizer, paths: Sequence[DocumentPath]) -> None:
        self._change, self._plain = _changer(anonymizer, paths), anonymizer
        self._decoder, self._pending = _Decoder(), _Pending()
        self._held = ""

    def feed(self, data: bytes, *, last: bool) -> bytes:
        """Return the units that are complete; see `StreamUnits.feed`."""
        text = self._held + self._decoder.decode(data, last)
        # A carriage return at the end of a chunk may be the first half of CR LF.
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
