"""Content codings: what is packed comes back, and what is cut, followed by something, or too long is refused."""

import gzip
import tracemalloc
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.content_coding import CODINGS, unpack
from governance.errors import BadRequestError, TooLargeError


def zstd(data, **options):
    return zstandard.ZstdCompressor(**options).compress(data)


PACK = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd}
VARIANTS = {
    "gzip": [gzip.compress, lambda data: gzip.compress(data, 0), lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])],
    "deflate": [zlib.compress, lambda data: zlib.compress(data, 0)],
    "zstd": [
        zstd,
        lambda data: zstd(data, write_checksum=True),
        lambda data: zstd(data, write_content_size=False, level=19),
        lambda data: zstd(data[:9]) + zstd(data[9:], write_checksum=True),
    ],
}  # fmt: skip
CASES = [(coding, pack) for coding, packs in VARIANTS.items() for pack in packs]


@pytest.mark.parametrize(("coding", "pack"), CASES)
@given(data=st.binary(max_size=3000))
@settings(max_examples=50, deadline=None)
def test_unpack_returns_what_was_packed(coding, pack, data):
    assert unpack(pack(data), coding, len(data)) == data


@pytest.mark.parametrize(("coding", "pack"), CASES)
def test_unpack_refuses_any_truncation_and_anything_that_follows(coding, pack):
    data = b"0123456789" * 30
    body = pack(data)
    whole = len(pack(data[:9])) if body.startswith(pack(data[:9])[:-8]) and coding != "deflate" else None
    for end in range(len(body)):
        if end != whole and not (coding != "deflate" and is_whole(coding, body[:end])):
            with pytest.raises(BadRequestError):
                unpack(body[:end], coding, 10_000)
    for more in (b"\0", b"{}", b"\x1f", zlib.compress(b"x"), zstd(b"x") if coding != "zstd" else b"abcd"):
        with pytest.raises(BadRequestError):
            unpack(body + more, coding, 10_000)


def is_whole(coding, body):
    """Whether the beginning of a body is a whole body itself: the first of two members."""
    try:
        return bool(body) and unpack(body, coding, 10_000) == b"012345678"
    except BadRequestError:
        return False


@pytest.mark.parametrize("coding", CODINGS)
def test_unpack_refuses_what_the_coding_does_not_say(coding):
    for other, pack in PACK.items():
        if other != coding:
            with pytest.raises(BadRequestError):
                unpack(pack(b"data"), coding, 10_000)
    for body in (b"", b"{}", b'{"inputs": []}', b"\x28\xb5\x2f\xfd", zlib.compressobj(wbits=-15).flush()):
        with pytest.raises(BadRequestError):
            unpack(body, coding, 10_000)


@pytest.mark.parametrize("coding", CODINGS)
def test_unpack_limit_holds_on_both_sides(coding):
    data = bytes(1000)
    assert unpack(PACK[coding](data), coding, 1000) == data
    with pytest.raises(TooLargeError, match="999 bytes"):
        unpack(PACK[coding](data), coding, 999)
    assert unpack(PACK[coding](b""), coding, 0) == b""


@pytest.mark.parametrize("coding", CODINGS)
def test_unpack_of_a_bomb_takes_no_more_memory_than_the_limit(coding):
    bomb = PACK[coding](bytes(200_000_000))
    if coding == "zstd":
        # Blocks of one repeated byte: 128 KiB from 4 bytes, in a frame with the smallest window that allows it.
        bomb = b"\x28\xb5\x2f\xfd\x00\x38" + b"\x02\x00\x10\x00" * 50_000 + b"\x01\x00\x00"
    assert len(bomb) < 250_000
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError):
            unpack(bomb, coding, 1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 3_500_000
    finally:
        tracemalloc.stop()


def test_unpack_refuses_a_zstd_window_beyond_8_mib():
    parameters = zstandard.ZstdCompressionParameters(window_log=24, write_content_size=False)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    body = stream.compress(b"x" * 100) + stream.flush()
    with pytest.raises(BadRequestError):
        unpack(body, "zstd", 10_000)
