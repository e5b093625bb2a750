"""Multipart uploads: a URL in a file field would make the server fetch it."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import BadRequestError
from governance.gate.uploads import verify_files

TYPE = "multipart/form-data; boundary=b"
FIELDS = frozenset({"image"})
NO_HOSTS: frozenset[str] = frozenset()
HOSTS = frozenset({"images.example.org"})
PLAIN = 'Content-Disposition: form-data; name="image"'


def form(*parts: tuple[str, bytes]) -> bytes:
    return b"".join(b"--b\r\n%s\r\n\r\n%s\r\n" % (head.encode(), body) for head, body in parts) + b"--b--\r\n"


def test_uploads_file_part_passes():
    head = 'Content-Disposition: form-data; name="image"; filename="7.png"\r\nContent-Type: image/png'
    verify_files(form((head, b"\x89PNG")), TYPE, FIELDS, NO_HOSTS)


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
def test_uploads_url_in_file_field_is_refused(head):
    with pytest.raises(BadRequestError):
        verify_files(form((head, b"http://169.254.169.254/latest/meta-data")), TYPE, FIELDS, NO_HOSTS)


def test_uploads_second_part_of_the_same_name_cannot_hide_a_url():
    good = ('Content-Disposition: form-data; name="image"; filename="7.png"', b"x")
    bad = ('Content-Disposition: form-data; name="image"', b"http://127.0.0.1/")
    with pytest.raises(BadRequestError):
        verify_files(form(good, bad), TYPE, FIELDS, NO_HOSTS)


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary="])
def test_uploads_missing_boundary_is_refused(content_type):
    with pytest.raises(BadRequestError):
        verify_files(b"", content_type, FIELDS, NO_HOSTS)


@pytest.mark.parametrize("body", [b"", b"--b\r\n", b"garbage", form()[:-6], b"--b\r\nno colon\r\n\r\n--b--"])
def test_uploads_incomplete_body_is_refused(body):
    with pytest.raises(BadRequestError):
        verify_files(body, TYPE, FIELDS, NO_HOSTS)


def test_uploads_too_many_parts_are_refused():
    part = ('Content-Disposition: form-data; name="a"', b"")
    with pytest.raises(BadRequestError, match="parts"):
        verify_files(form(*[part] * 65), TYPE, FIELDS, NO_HOSTS)


@given(st.binary(max_size=300), st.text(max_size=40))
def test_uploads_random_body_passes_or_is_refused(body, boundary):
    for candidate in (body, b"--b\r\n" + body, form(("X: " + boundary.encode("ascii", "ignore").decode(), body))):
        with suppress(BadRequestError):
            verify_files(candidate, TYPE, FIELDS, NO_HOSTS)


@pytest.mark.parametrize("content_type", ["image/png", "text/plain", "", "application/json"])
@pytest.mark.parametrize(
    "body",
    [
        b"http://127.0.0.1/x",
        b"https://169.254.169.254/",
        b" \x00\thttp://x",
        b"\xffh\xfft\xfftp://x",
        b"HTTP://x",
        b"ht\ntp://x",
        b"\xff" * 5000 + b"http://x",
        b"http://[x",
    ],
)
def test_uploads_body_that_is_a_url_is_refused(content_type, body):
    with pytest.raises(BadRequestError):
        verify_files(body, content_type, FIELDS, NO_HOSTS)


def test_uploads_body_that_is_a_file_passes():
    for body in (b"\x89PNG http://x", b"", b"{}", b"httpd", b"see http://x"):
        verify_files(body, "image/png", FIELDS, NO_HOSTS)


def test_uploads_url_of_listed_host_passes():
    for url in (b"https://images.example.org/7.png", b"https://images.example.org"):
        verify_files(form((PLAIN, url)), TYPE, FIELDS, HOSTS)
        verify_files(url, "text/plain", FIELDS, HOSTS)


@pytest.mark.parametrize(
    "url",
    [
        b"http://images.example.org/7.png",
        b"https://images.example.org:8443/",
        b"https://user@images.example.org/",
        b"https://evil.example/?https://images.example.org/",
        b"https://images.example.org.evil.example/",
        b"https://images.example.org@evil.example/",
        b"https://evil.example\\@images.example.org/",
        b"'https://images.example.org/'",
        b" https://images.example.org/",
        b"https://images.example.org/\r\nX: y",
        b"https://IMAGES.example.org/",
        b"https://images.ex\xc3\xa4mple.org/",
        b"file:///etc/passwd",
        b"//images.example.org/",
        b"https://images.example.org/" + b"a" * 3000,
        b"",
    ],
)
def test_uploads_url_of_other_host_is_refused(url):
    with pytest.raises(BadRequestError):
        verify_files(form((PLAIN, url)), TYPE, FIELDS, HOSTS)


@pytest.mark.parametrize("body", [b"\x89PNG\xff", b"[" * 100_000, b"9" * 5000, b"\xff\xfe{"])
def test_uploads_field_that_the_application_would_fail_to_read_is_refused_with_the_right_name(body):
    head = 'Content-Disposition: form-data; name="imege"; filename="x.png"'
    with pytest.raises(BadRequestError, match="the field 'imege' is not a file field.*did you mean 'image'"):
        verify_files(form((head, body)), TYPE, FIELDS, NO_HOSTS)


@pytest.mark.parametrize("body", [b"", b"text", b"[1, 2]", "\u00e9".encode(), b"{not JSON", b"\xc3\xa9t\xc3\xa9"])
def test_uploads_field_of_text_or_json_passes(body):
    verify_files(form(('Content-Disposition: form-data; name="note"', body)), TYPE, FIELDS, NO_HOSTS)


@pytest.mark.parametrize("file_name", ["x" * 201, "[" * 2000, "é" * 101])
def test_uploads_file_name_that_no_file_can_have_is_refused(file_name):
    head = f'Content-Disposition: form-data; name="image"; filename="{file_name}"'
    with pytest.raises(BadRequestError, match="name"):
        verify_files(form((head, b"x")), TYPE, FIELDS, NO_HOSTS)


@pytest.mark.parametrize("file_name", ["x" * 200, "é" * 100, "", "../a.png", "a b.png"])
def test_uploads_other_file_names_pass(file_name):
    head = f'Content-Disposition: form-data; name="image"; filename="{file_name}"'
    verify_files(form((head, b"x")), TYPE, FIELDS, NO_HOSTS)
