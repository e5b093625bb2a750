"""What the head of a request must be, beyond what the parser (llhttp) checks itself.

llhttp in its strict mode refuses bare line feeds, folded fields, spaces before colons, Content-Length together with
Transfer-Encoding, and lengths or chunks of a wrong form. What it accepts and must not pass is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_FIELDS = 128
VERSIONS = frozenset({"1.0", "1.1"})
# uri-host [ ":" port ] (RFC 3986, section 3.2.2); an IPv6 address is in brackets. Empty for a target without authority.
_HOST = re.compile(rb"([A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+(%25[A-Za-z0-9._~-]+)?\])(:[0-9]{0,5})?")
_HOST_OR_CODING = frozenset({b"host", b"transfer-encoding"})


class HeadError(Exception):
    """A request's head that must be refused.

    Attributes:
        status: the HTTP status.
        sentence: what is wrong, without anything that the client sent.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


def verify_head(version: str, headers: list[tuple[bytes, bytes]]) -> None:
    """Refuse a head whose version, number of fields, Host or Transfer-Encoding is wrong.

    Args:
        version: such as `1.1`.
        headers: the fields, with lower-case names.

    Raises:
        HeadError: 400, 431, 501 or 505, as RFC 9112, sections 2.3, 3.2 and 6.1, and RFC 6585, section 5, say.
    """
    if version not in VERSIONS:
        raise HeadError(505, "send HTTP/1.1 or HTTP/1.0")
    if len(headers) > MAX_FIELDS:
        raise HeadError(431, f"send at most {MAX_FIELDS} header fields")
    special = [field for field in headers if field[0] in _HOST_OR_CODING]
    if version != "1.1" or len(special) != 1 or special[0][0] != b"host":
        _verify_special(version, special)
    elif not _HOST.fullmatch(special[0][1]):
        raise HeadError(400, "the field Host is not a host with an optional port")


def _verify_special(version: str, special: Iterable[tuple[bytes, bytes]]) -> None:
    hosts = [value for name, value in special if name == b"host"]
    codings = [value.lower() for name, value in special if name == b"transfer-encoding"]
    if len(hosts) > 1 or (version == "1.1" and not hosts):
        raise HeadError(400, "send the field Host exactly once")
    if any(not _HOST.fullmatch(host) for host in hosts):
        raise HeadError(400, "the field Host is not a host with an optional port")
    if codings and version == "1.0":
        raise HeadError(400, "HTTP/1.0 has no Transfer-Encoding")
    if codings and codings != [b"chunked"]:
        raise HeadError(501, "the only transfer coding is chunked")
