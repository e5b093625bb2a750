"""Templates of entries: entries that differ in few fields are made from bytes, without encoding the others again."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from governance.audit.entry import Entry, LogWord, encode_entry

# Values that stand for those that differ, in the order of their fields in canonical JSON.
_DURATION, _TIME = -1_234_567_890_123_456, -6_543_210_987_654_321
_ID, _REPLY, _REQUEST = "id:of:the:entry", "reply:of:the:entry", "request:of:the:entry"
_PLACES = {
    str(_DURATION).encode(): b"%d",
    f'"{_ID}"'.encode(): b"%b",
    _REPLY.encode(): b"%b",
    _REQUEST.encode(): b"%b",
    str(_TIME).encode(): b"%d",
}
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class EntryTemplate:
    """Canonical JSON of an entry, with places for duration, id, both commitments and time.

    Attributes:
        form: bytes with five places of the operator `%`.
    """

    form: bytes

    @classmethod
    def of(cls, entry: Entry) -> EntryTemplate | None:
        """Return the template of an entry with both commitments, or None if its words look like the places.

        Args:
            entry: the entry; its duration, id, commitments and time do not matter.
        """
        marked = msgspec.structs.replace(
            entry, duration_us=_DURATION, id=LogWord(_ID), reply=_REPLY, request=_REQUEST, time_us=_TIME
        )
        form = encode_entry(marked).replace(b"%", b"%%")
        if any(form.count(place) != 1 for place in _PLACES):
            return None
        for place, operator in _PLACES.items():
            form = form.replace(place, operator)
        return cls(form)

    def fill(self, duration_us: int, entry_id: str, reply: str, request: str, time_us: int) -> bytes:
        """Return the canonical JSON of one entry, as `encode_entry` does.

        Args:
            duration_us: Microseconds until the answer was ready.
            entry_id: Id of the request.
            reply: Commitment to the body of the answer, hex digits.
            request: Commitment to the body of the request, hex digits.
            time_us: Time at which the request arrived, in Unix microseconds.
        """
        return self.form % (duration_us, _encode(entry_id), reply.encode("ascii"), request.encode("ascii"), time_us)
