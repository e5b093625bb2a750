"""Multipart uploads: a URL in a file field would make the server fetch it."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.access.uploads import verify_file_fields
from governance.errors import BadRequestError

TYPE = "multipart/form-data; boundary=b"
FIELDS = frozenset({"image"})


def form(*parts: tuple[str, bytes]) -> bytes:
    return b"".join(b"--b\r\n%s\r\n\r\n%s\r\n" % (head.encode(), body) for head, body in parts) + b"--b--\r\n"


def test_a_file_passes():
    head = 'Content-Disposition: form-data; name="image"; filename="7.png"\r\nContent-Type: image/png'
    verify_file_fields(form((head, b"\x89PNG")), TYPE, FIELDS)


@pytest.mark.parametrize(
    "head",
    [
        'Content-Disposition: form-data; name="image"',
        "Content-Disposition: form-data; name=image",
        'content-disposition: form-data; NAME="image"',
        'Content-Disposition: form-data; name="image"; file-name="x"',
        "Content-Disposition: form-data; name*=utf-8''image",
    ],
)
def test_a_url_in_a_file_field_is_refused(head):
    with pytest.raises(BadRequestError):
        verify_file_fields(form((head, b"http://169.254.169.254/latest/meta-data")), TYPE, FIELDS)


def test_a_second_part_of_the_same_name_cannot_hide_a_url():
    good = ('Content-Disposition: form-data; name="image"; filename="7.png"', b"x")
    bad = ('Content-Disposition: form-data; name="image"', b"http://127.0.0.1/")
    with pytest.raises(BadRequestError):
        verify_file_fields(form(good, bad), TYPE, FIELDS)


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=", "text/plain"])
def test_a_missing_boundary_is_refused(content_type):
    with pytest.raises(BadRequestError):
        verify_file_fields(b"", content_type, FIELDS)


@pytest.mark.parametrize("body", [b"", b"--b\r\n", b"garbage", form()[:-6], b"--b\r\nno colon\r\n\r\n--b--"])
def test_a_body_that_is_not_whole_is_refused(body):
    with pytest.raises(BadRequestError):
        verify_file_fields(body, TYPE, FIELDS)


def test_too_many_parts_are_refused():
    part = ('Content-Disposition: form-data; name="a"', b"")
    with pytest.raises(BadRequestError, match="parts"):
        verify_file_fields(form(*[part] * 65), TYPE, FIELDS)


@given(st.binary(max_size=300), st.text(max_size=40))
def test_anything_else_is_an_answer_or_a_refusal(body, boundary):
    for candidate in (body, b"--b\r\n" + body, form(("X: " + boundary.encode("ascii", "ignore").decode(), body))):
        with suppress(BadRequestError):
            verify_file_fields(candidate, TYPE, FIELDS)
