"""Images: real photographs keep their pixels and lose everything else; faces are covered irreversibly."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from governance.errors import BadRequestError, TooLargeError
from governance.multipart import FormPart
from governance.privacy.pictures.faces import Faces
from governance.privacy.pictures.images import ImageRules, clean_image, clean_parts

CANARY = "Wilhelmina Canary"


@pytest.fixture(scope="module")
def person() -> Image.Image:
    """A photograph of a person (NASA, public domain) from scikit-image."""
    from skimage.data import astronaut

    return Image.fromarray(astronaut())


@pytest.fixture(scope="module")
def flower() -> Image.Image:
    from sklearn.datasets import load_sample_image

    return Image.fromarray(load_sample_image("flower.jpg")).resize((160, 107))


@pytest.fixture(scope="module")
def finder() -> Faces:
    return Faces()


def exif(orientation):
    made = Image.Exif()
    made[0x010F], made[0x0112], made[0x9003] = CANARY, orientation, "2026:01:01 01:01:01"
    gps = made.get_ifd(0x8825)
    gps[1], gps[2] = "N", (52.0, 30.0, 1.0)
    made.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + CANARY.encode()
    return made.tobytes()


def photograph(picture, kind, orientation=1, **options):
    options = {"exif": exif(orientation), "xmp": f"<x:xmpmeta>{CANARY}</x:xmpmeta>".encode(), **options}
    if kind == "JPEG":
        options = {"comment": CANARY, "quality": 90, **options}
    if kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Author", CANARY)
        options["pnginfo"].add_itxt("Comment", CANARY, zip=True)
        options.pop("xmp")
    target = io.BytesIO()
    picture.save(
        target, kind, icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), **options
    )
    return target.getvalue()


def upright(data):
    with Image.open(io.BytesIO(data)) as opened:
        return ImageOps.exif_transpose(opened).convert("RGB")


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {"quality": 80}), ("WEBP", {"lossless": True})],
)  # fmt: skip
def test_clean_image_keeps_every_pixel_and_removes_all_metadata(flower, kind, options, orientation):
    data = photograph(flower, kind, orientation, **options) + (b"trailer " + CANARY.encode() if kind == "JPEG" else b"")
    cleaned = clean_image(data, ImageRules())
    assert cleaned.kind == kind and cleaned.counts == {"IMAGE_METADATA": 1}
    assert CANARY.encode() not in cleaned.data and b"2026:01" not in cleaned.data
    assert np.array_equal(np.asarray(upright(cleaned.data)), np.asarray(upright(data)))
    with Image.open(io.BytesIO(cleaned.data)) as opened:
        opened.load()
        assert set(opened.getexif()) <= {0x0112} and opened.info.get("icc_profile")
        assert not {"comment", "xmp", "Author", "Comment", "photoshop"} & set(opened.info)


def test_clean_image_keeps_a_picture_without_metadata_byte_for_byte(flower):
    for kind in ("JPEG", "PNG", "WEBP"):
        target = io.BytesIO()
        flower.save(target, kind)
        once = clean_image(target.getvalue(), ImageRules())
        assert clean_image(once.data, ImageRules()).data == once.data
        assert not clean_image(once.data, ImageRules()).counts


@pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO")
def test_clean_image_removes_iptc_and_thumbnails(flower):
    small = io.BytesIO()
    flower.resize((16, 16)).save(small, "JPEG")
    data = photograph(flower, "JPEG")
    for marker, content in (
        (0xED, b"Photoshop 3.0\x008BIM\x04\x04" + CANARY.encode()),
        (0xE0, b"JFXX\x00\x10" + small.getvalue()),
        (0xE2, b"MPF\x00" + CANARY.encode()),
    ):
        segment = struct.pack(">BBH", 255, marker, len(content) + 2) + content
        data = data[:20] + segment + data[20:]
    cleaned = clean_image(data, ImageRules()).data
    assert CANARY.encode() not in cleaned and small.getvalue()[20:] not in cleaned


def test_clean_image_covers_faces_irreversibly(person, finder):
    rules = ImageRules(faces="blur", finder=finder)
    for kind in ("JPEG", "PNG", "WEBP"):
        # As a phone held upright stores it: rotated, with an EXIF orientation.
        lying = person.transpose(Image.Transpose.ROTATE_90)
        data = photograph(lying, kind, 6) if kind == "JPEG" else photograph(person, kind)
        cleaned = clean_image(data, rules)
        assert cleaned.counts["FACE"] >= 1 and CANARY.encode() not in cleaned.data
        after = upright(cleaned.data)
        assert after.size == upright(data).size and finder.find(after) == []


def test_faces_find_returns_the_place_of_a_face(person, finder):
    boxes = finder.find(person)
    assert any(left < 225 < right and top < 115 < bottom for left, top, right, bottom in boxes)


def test_cover_leaves_at_most_sixteen_colours_of_a_face(person, finder):
    cleaned = clean_image(photograph(person, "PNG"), ImageRules(faces="blur", finder=finder))
    left, top, right, bottom = finder.find(person)[0]
    region = np.asarray(upright(cleaned.data))[top:bottom, left:right].reshape(-1, 3)
    assert len(np.unique(region, axis=0)) <= 16 * len(finder.find(person))


def test_clean_image_refuses_faces_where_the_rules_say_so(person, flower, finder):
    rules = ImageRules(faces="refuse", finder=finder)
    with pytest.raises(BadRequestError, match="face"):
        clean_image(photograph(person, "JPEG"), rules)
    assert CANARY.encode() not in clean_image(photograph(flower, "JPEG"), rules).data


def bomb():
    data = photograph(Image.new("RGB", (8, 8)), "PNG")
    import zlib

    head = struct.pack(">II", 60_000, 60_000) + data[24:29]
    return data[:16] + head + struct.pack(">I", zlib.crc32(b"IHDR" + head)) + data[33:]


def test_clean_image_refuses_decompression_bombs_before_decoding(flower):
    with pytest.raises(TooLargeError):
        clean_image(bomb(), ImageRules())
    width, height = flower.size
    data = photograph(flower, "JPEG")
    assert clean_image(data, ImageRules(max_pixels=width * height))
    with pytest.raises(TooLargeError):
        clean_image(data, ImageRules(max_pixels=width * height - 1))


def animated(kind):
    target = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(target, kind, save_all=True, append_images=frames[1:])
    return target.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF"])
def test_clean_image_refuses_several_frames_and_other_formats(kind):
    with pytest.raises(BadRequestError):
        clean_image(animated(kind), ImageRules())


def test_clean_image_cleans_or_refuses_a_picture_cut_anywhere(flower, finder):
    small = flower.resize((40, 30))
    for kind in ("JPEG", "PNG", "WEBP"):
        data = photograph(small, kind)
        for end in range(0, len(data) - 1, 499):
            with pytest.raises(BadRequestError):
                clean_image(data[:end], ImageRules(faces="blur", finder=finder))


def part(body, headers=((b"Content-Type", b"image/jpeg"),), is_file=True, name="image"):
    disposition = (b"Content-Disposition", b'form-data; name="image"; filename="Canary.jpg"')
    return FormPart((disposition, *headers), name, is_file, body)


def test_clean_parts_keeps_other_files_and_removes_the_names_of_images(flower):
    other = part(b"just a text", ((b"Content-Type", b"text/plain"),))
    (image, same), done = clean_parts([part(photograph(flower, "PNG")), other], ImageRules())
    assert same == other and done.entities == {"IMAGE_METADATA": 1}
    assert dict(image.headers) == {
        b"Content-Disposition": b'form-data; name="image"; filename="image.png"',
        b"Content-Type": b"image/png",
    }


@pytest.mark.parametrize(
    "wrong",
    [part(b"GIF89a"), part(b"x"), part(b"\0\0\0\x18ftypheic", ()), part(b"II*\0", ()), part(b"x", name="a\r\nb")],
)
def test_clean_parts_refuses_possible_images_that_it_cannot_clean(wrong):
    with pytest.raises(BadRequestError):
        clean_parts([wrong], ImageRules())


def test_clean_parts_refuses_declared_fields_that_are_not_image_files():
    for wrong in (part(b"a text", is_file=False), part(b"a text", ())):
        with pytest.raises(BadRequestError):
            clean_parts([wrong], ImageRules(form=frozenset({"image"})))


def segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def png_chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("marker", [0x02, 0xBF, 0xC4, 0xC8, 0xCC, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF, 0xF0, 0xFD])
def test_clean_image_refuses_unknown_jpeg_segments(flower, marker):
    data = photograph(flower, "JPEG")
    for place in (2, data.index(b"\xff\xda")):
        with pytest.raises(BadRequestError):
            clean_image(data[:place] + segment(marker, CANARY.encode()) + data[place:], ImageRules())


@pytest.mark.parametrize("marker", [0xC0, 0xC4, 0xDA])
def test_clean_image_refuses_bytes_after_jpeg_tables_and_headers(marker):
    target = io.BytesIO()
    Image.new("RGB", (9, 9)).save(target, "JPEG")
    data = target.getvalue()
    place = data.index(bytes((0xFF, marker)))
    end = place + 2 + struct.unpack_from(">H", data, place + 2)[0]
    hidden = segment(marker, data[place + 4 : end] + CANARY.encode())
    with pytest.raises(BadRequestError):
        clean_image(data[:place] + hidden + data[end:], ImageRules())


@pytest.mark.parametrize("kind", [b"sBIT", b"pHYs", b"gAMA", b"bKGD", b"cICP", b"cHRM", b"sRGB", b"IEND", b"IHDR"])
def test_clean_image_refuses_png_chunks_of_impossible_length(flower, kind):
    target = io.BytesIO()
    flower.save(target, "PNG")
    data, place = target.getvalue(), 33
    if kind == b"IEND":
        data, place = data[:-12], len(data) - 12
    with pytest.raises(BadRequestError):
        clean_image(data[:place] + png_chunk(kind, CANARY.encode()) + data[place:], ImageRules())


def test_clean_image_refuses_duplicate_chunks_and_renames_icc_profiles(flower):
    data = photograph(flower, "PNG")
    twice = data[:33] + png_chunk(b"pHYs", bytes(9)) * 2 + data[33:]
    behind = data[:-12] + png_chunk(b"tEXt", b"a\0b") + png_chunk(b"IDAT", CANARY.encode()) + data[-12:]
    webp = photograph(flower, "WEBP")
    profile = b"ICCP" + struct.pack("<I", 18) + CANARY.encode().ljust(18)
    longer = webp[:4] + struct.pack("<I", len(webp) - 8 + len(profile)) + webp[8:] + profile
    for hostile in (twice, behind, longer):
        with pytest.raises(BadRequestError):
            clean_image(hostile, ImageRules())
    named = io.BytesIO()
    flower.save(named, "PNG")
    icc = CANARY.encode() + b"\0\0" + zlib.compress(bytes(200))
    made = clean_image(named.getvalue()[:33] + png_chunk(b"iCCP", icc) + named.getvalue()[33:], ImageRules()).data
    assert CANARY.encode() not in made and b"iCCPicc\0" in made


@pytest.mark.parametrize(
    "data",
    [b"<?xml version='1.0'?>\n<!-- c -->\n<svg", b"\xef\xbb\xbf<SVG", b"<s:svg xmlns:s='http://www.w3.org/2000/svg'>",
     b"II+\0\x08\0\0\0", b"MM\0+", b"\0\0\x01\0\x01\0", b"P6\n32 32\n255\n", b"P7\nWIDTH 1", b"qoif", b"icns", b"DDS |",
     b"\x01\xda\0\x01", b"\n\x05\x01\x08", bytes(128) + b"DICM" + CANARY.encode()],
)  # fmt: skip
def test_clean_parts_refuses_other_image_formats_whatever_their_media_type(data):
    part = FormPart(((b"Content-Type", b"application/octet-stream"),), "scan", True, data)
    with pytest.raises(BadRequestError):
        clean_parts([part], ImageRules())


def test_clean_parts_keeps_text_files():
    parts = [
        FormPart((), "note", True, text) for text in (b"P1 incident, P2 later", b"II. Anamnesis", b"qo", b"a,b\n1,2\n")
    ]
    assert clean_parts(parts, ImageRules())[0] == parts
