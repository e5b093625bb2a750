"""Digits from files of each form, and what is said of files that hold something else."""

import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from training.config import TrainingError
from training.data.digits import BadDataError
from training.data.idx import IMAGES, LABELS, read_idx, read_part
from training.data.load import load, read


@pytest.fixture(scope="module")
def digits():
    return read(None).parts[0].content


def idx(magic, shape, content):
    return struct.pack(f">{1 + len(shape)}I", magic, *shape) + content


def write_idx(folder, name, images, labels, opener=open, suffix=""):
    with opener(folder / f"{name}-images-idx3-ubyte{suffix}", "wb") as stream:
        stream.write(idx(IMAGES, images.shape, images.tobytes()))
    with opener(folder / f"{name}-labels-idx1-ubyte{suffix}", "wb") as stream:
        stream.write(idx(LABELS, labels.shape, labels.astype(np.uint8).tobytes()))


def write_pictures(folder, digits, places):
    for place in places:
        kind = folder / str(digits.labels[place])
        kind.mkdir(exist_ok=True)
        Image.fromarray(digits.images[place]).save(kind / f"{place:05}.png")


def csv_row(digits, place):
    return [str(digits.labels[place]), *map(str, digits.images[place].ravel())]


def write_csv(file, rows, header=()):
    file.write_text("".join(",".join(row) + "\n" for row in ([list(header)] if header else []) + rows))


def test_load_reads_the_four_idx_files_plain_or_gzipped(tmp_path, digits):
    write_idx(tmp_path, "train", digits.images[::5], digits.labels[::5])
    write_idx(tmp_path, "t10k", digits.images[1::5], digits.labels[1::5], gzip.open, ".gz")
    assert len(load(tmp_path, 1).test.labels) == 1000
    with pytest.raises(TrainingError, match="four IDX files"):
        read_part(tmp_path, "other")


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x00\x08\x03", idx(0x802, (1, 28, 28), bytes(784)), idx(IMAGES, (2, 28, 28), bytes(784)),
                idx(IMAGES, (2**31, 2**31, 2**31), b""), idx(IMAGES, (1, 28, 28), bytes(785))],
)  # fmt: skip
def test_read_idx_refuses_a_hostile_file(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(TrainingError):
        read_idx(tmp_path / "x", IMAGES)


def test_read_idx_says_that_a_file_of_floats_has_the_wrong_type(tmp_path):
    (tmp_path / "x").write_bytes(idx(0xD03, (1, 28, 28), bytes(784 * 4)))
    with pytest.raises(TrainingError, match="floats in 3 dimensions, and must have bytes"):
        read_idx(tmp_path / "x", IMAGES)


def test_read_part_names_mismatched_counts_wrong_sizes_and_wrong_labels_together(tmp_path, digits):
    write_idx(tmp_path, "train", digits.images[:, :20], np.append(digits.labels, 10))
    with pytest.raises(BadDataError) as raised:
        read_part(tmp_path, "train")
    for words in ("20 × 28 pixels: scale", "5,000 images and", "5,001 labels", "labels over 9, at image 5000"):
        assert words in str(raised.value)


def test_pictures_and_csv_give_the_same_images_as_the_source(tmp_path, digits):
    places = range(0, 5000, 50)
    write_pictures(tmp_path, digits, places)
    (tmp_path / "0" / ".DS_Store").write_bytes(b"not an image")
    write_csv(
        tmp_path / "d.csv", [csv_row(digits, place) for place in places], ["label", *(f"p{n}" for n in range(784))]
    )
    for source in (read(tmp_path), read(tmp_path / "d.csv")):
        content = source.parts[0].content
        assert np.array_equal(content.labels, digits.labels[::50])
        assert np.array_equal(content.images, digits.images[::50])
    assert read(tmp_path).parts[0].name_of(0) == "0/00000.png"
    assert read(tmp_path / "d.csv").parts[0].name_of(0) == "line 2"


def test_one_damaged_file_in_ten_thousand_is_named(tmp_path, digits):
    write_pictures(tmp_path, digits, range(5000))
    for kind in map(str, range(10)):
        for file in sorted((tmp_path / kind).glob("*.png")):
            (file.parent / f"again-{file.name}").hardlink_to(file)
    whole = (tmp_path / "7" / "03600.png").read_bytes()
    (tmp_path / "7" / "damaged.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadDataError, match=r"1 of 10,001 are cut or damaged: replace or remove \(7/damaged.png\)"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda file: file.write_bytes(b""), "are empty, damaged or of another format"),
        (lambda file: file.write_text("a text"), "are empty, damaged or of another format"),
        (lambda file: Image.new("L", (32, 28)).save(file), "have 32 × 28 pixels: scale to 28 × 28"),
        (lambda file: Image.new("1", (10_000, 10_000)).save(file), "have 10000 × 10000 pixels|are cut"),
        (lambda file: Image.new("RGBA", (28, 28)).save(file), "have mode RGBA"),
        (lambda file: Image.new("I;16", (28, 28)).save(file), "have mode I;16"),
        (
            lambda file: Image.new("L", (28, 28)).save(
                file, save_all=True, append_images=[Image.new("L", (28, 28), 9)]
            ),
            "have several frames",
        ),
    ],
)
def test_a_picture_of_another_kind_is_refused_with_what_to_do(tmp_path, digits, make, words):
    write_pictures(tmp_path, digits, range(0, 5000, 50))
    make(tmp_path / "3" / "odd.png")
    with pytest.raises(BadDataError, match=rf"1 of 101 ({words}).*3/odd\.png"):
        read(tmp_path)


def test_a_folder_that_is_not_a_class_is_refused(tmp_path, digits):
    write_pictures(tmp_path, digits, range(0, 5000, 50))
    (tmp_path / "ten").mkdir()
    with pytest.raises(BadDataError, match=r"is not named as a class, 0 to 9: rename or remove it \(ten\)"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda row: [*row[:5], "", *row[6:]], "have empty cells"),
        (lambda row: [*row[:5], "NaN", *row[6:]], "have NaN or infinite cells"),
        (lambda row: [*row[:5], "inf", *row[6:]], "have NaN or infinite cells"),
        (lambda row: ["nan", *row[1:]], "have NaN or infinite cells"),
        (lambda row: [*row[:5], "n/a", *row[6:]], "have cells that are not numbers"),
        (lambda row: [*row[:5], "256", *row[6:]], "have pixels outside of 0 to 255"),
        (lambda row: [*row[:5], "-1", *row[6:]], "have pixels outside of 0 to 255"),
        (lambda row: [*row[:5], "0.5", *row[6:]], "have fractions as pixels"),
        (lambda row: ["10", *row[1:]], "have a label that is not one of 0 to 9"),
        (lambda row: ["2.5", *row[1:]], "have a label that is not one of 0 to 9"),
        (lambda row: ["-1", *row[1:]], "have a label that is not one of 0 to 9"),
        (lambda row: row[:-1], "have 784 cells and need 785"),
    ],
)
def test_a_wrong_line_of_a_csv_file_is_named_with_what_to_do(tmp_path, digits, change, words):
    rows = [csv_row(digits, place) for place in range(0, 5000, 50)]
    rows[7] = change(rows[7])
    write_csv(tmp_path / "d.csv", rows)
    with pytest.raises(BadDataError, match=rf"1 of 100 lines {words}.*\(line 8\)"):
        read(tmp_path / "d.csv")


def test_a_table_that_is_not_text_or_not_there_is_refused(tmp_path):
    (tmp_path / "d.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TrainingError, match="as CSV in UTF-8"):
        read(tmp_path / "d.csv")
    with pytest.raises(TrainingError, match="no file or folder"):
        read(tmp_path / "other.csv")
