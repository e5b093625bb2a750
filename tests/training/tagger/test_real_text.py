"""Real text for training: marked corpora, running text, and the calibration on them."""

import json
import random
import re

import pytest

from governance.privacy.find.finding import Finding
from training.config import TrainingError
from training.tagger.calibrate import calibrate
from training.tagger.corpus.documentation import html_paragraphs, manual_paragraphs, write_running_text
from training.tagger.corpus.gazetteer import place_names
from training.tagger.corpus.labelled import UNSURE, LabelledText
from training.tagger.corpus.marked import read_corpora, with_other_names
from training.tagger.corpus.mixture import mixed_texts, mixed_validation, read_real
from training.tagger.corpus.running import label_running, read_running
from training.tagger.fit import make_example
from training.tagger.model import TAGS
from training.tagger.scores import CharacterCounts

ROWS = [
    {"text": f"Ada Byron met {number} people in Genf.", "spans": [[0, 9, "PER"], [-5, -1, "LOC"]]}
    for number in range(20)
]


def _write_corpus(folder, rows):
    folder.mkdir(exist_ok=True)
    (folder / "de-made.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n")


@pytest.fixture
def folders(tmp_path):
    rows = []
    for row in ROWS:
        end = len(row["text"])
        rows.append({"text": row["text"], "spans": [[0, 9, "PER"], [end - 5, end - 1, "LOC"]]})
    _write_corpus(tmp_path / "corpus", rows)
    (tmp_path / "running").mkdir()
    lines = [f"Die Einstellung {number} wird gespeichert." for number in range(60)]
    (tmp_path / "running/de-manual.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "corpus", tmp_path / "running"


def test_read_corpora_keeps_every_tenth_text_for_validation(folders):
    [corpus] = read_corpora(folders[0])
    assert (corpus.name, corpus.language) == ("de-made", "de")
    assert len(corpus.validation) == 2 and len(corpus.training) == 18
    assert not set(corpus.validation) & set(corpus.training)


@pytest.mark.parametrize(
    "row",
    [
        "no object",
        {"text": "a b"},
        {"text": "a b", "spans": [[0, 9, "PER"]]},
        {"text": "a b", "spans": [[2, 1, "PER"]]},
        {"text": "a b c", "spans": [[2, 3, "PER"], [0, 1, "PER"]]},
        {"text": "a b", "spans": [["0", 1, "PER"]]},
        {"text": 3, "spans": []},
    ],
)
def test_read_corpora_refuses_a_malformed_line_with_its_number(tmp_path, row):
    _write_corpus(tmp_path, [{"text": "fine", "spans": []}, row])
    with pytest.raises(TrainingError, match=r"line 2 of .*de-made\.jsonl"):
        read_corpora(tmp_path)


def test_read_corpora_and_running_refuse_an_empty_folder(tmp_path):
    with pytest.raises(TrainingError, match="jsonl"):
        read_corpora(tmp_path)
    with pytest.raises(TrainingError, match="txt"):
        read_running(tmp_path)


def test_with_other_names_moves_the_spans():
    item = LabelledText("Ada Byron traf BOB in Genf.", (("PERSON", 0, 9), ("PERSON", 15, 18), ("LOCATION", 22, 26)))
    chance = random.Random(1)
    seen = set()
    for _ in range(50):
        other = with_other_names(item, "de", chance)
        values = [other.text[start:end] for _, start, end in other.spans]
        assert re.sub(r"\s+", " ", other.text) == re.sub(r"\s+", " ", "{} traf {} in {}.".format(*values))
        seen.add(tuple(values))
    assert len(seen) > 10


def test_label_running_labels_places_and_leaves_out_what_may_be_a_name():
    item = label_running("The server in Berlin was set up by Ada Lovelace in May.", "en")
    assert [(entity, item.text[start:end]) for entity, start, end in item.spans] == [
        ("LOCATION", "Berlin"),
        (UNSURE, "Ada Lovelace"),
    ]
    assert {"LOCATION"} == {entity for entity, *_ in label_running("他在北京工作。", "zh").spans}


@pytest.mark.parametrize(
    ("language", "places"),
    [
        ("en", "London Germany Japan Munich"),
        ("de", "München Deutschland Österreich Mailand"),
        ("fr", "Londres Allemagne Genève"),
        ("es", "Londres Alemania Madrid"),
        ("zh", "中国 北京 德国 上海"),
    ],
)
def test_gazetteer_has_countries_capitals_and_towns_of_each_language(language, places):
    assert set(places.split()) <= place_names(language)


def test_unsure_places_count_neither_in_the_loss_nor_in_the_score():
    item = LabelledText("By Ada now", ((UNSURE, 3, 6),))
    assert [tag if tag < 0 else TAGS[tag] for tag in make_example(item)[1]] == ["O", -100, "O"]
    counts = CharacterCounts()
    counts.add(item, [("PERSON", 3, 6), ("PERSON", 7, 10)])
    assert (counts.right, counts.wrong, counts.missed) == (0, 3, 0)


def test_mixed_texts_contain_real_ones_and_never_those_of_validation(folders):
    real = read_real(*folders)
    texts = mixed_texts(200, 3, real)
    assert len(texts) == 200 and texts == mixed_texts(200, 3, real) != mixed_texts(200, 4, real)
    assert any("gespeichert" in item.text for item in texts) and any("people in" in item.text for item in texts)
    kept = {item.text for item in mixed_validation(3, real)}
    assert any("people in" in text for text in kept) and any("gespeichert" in text for text in kept)
    assert not kept & {item.text for item in texts}
    for item in texts:
        assert all(0 <= start < end <= len(item.text) for _, start, end in item.spans)


def test_calibrate_promises_a_precision_only_where_each_language_keeps_it():
    def made(wrong_below):
        items, found = [], []
        for number in range(1000):
            score = number / 1000
            items.append(LabelledText("Ada", (("PERSON", 0, 3),) if score >= wrong_below else ()))
            found.append([Finding("PERSON", 0, 3, score, "")])
        return items, found

    texts, found = {}, {}
    for language, wrong_below in (("de", 0.5), ("fr", 0.9)):
        texts[language], found[language] = made(wrong_below)
    points = dict(map(reversed, calibrate(texts, found)))
    # Of those from p on, (1 - 0.9) / (1 - p) are right in French: 0.8 from 0.875 on.
    assert points[0.8] == pytest.approx(0.875) and points[0.5] == 0.0
    never = {"de": (made(2.0))}
    points = calibrate({"de": never["de"][0]}, {"de": never["de"][1]})
    assert points[-1][1] < 0.6


def test_documentation_becomes_paragraphs(tmp_path):
    page = "<html><head><title>x</title></head><body><p>Die Datei wird <b>im Ordner</b> &amp; auf der Platte gespeichert.</p><pre>code()</pre></body>"
    assert list(html_paragraphs(page)) == ["Die Datei wird im Ordner & auf der Platte gespeichert."]
    roff = ".TH LS 1\n.SH NAME\nls \\- list the \\fIcontents\\fP of directories and of other things\n.PP\nShort.\n"
    assert list(manual_paragraphs(roff)) == ["ls - list the contents of directories and of other things"]
    place = tmp_path / "one/usr/share/doc/debian-reference-de"
    place.mkdir(parents=True)
    (place / "page.html").write_text(page)
    assert write_running_text(tmp_path, tmp_path / "out", 10, 1) == {"de": 1}
    assert read_running(tmp_path / "out").validation["de"]
    with pytest.raises(TrainingError, match="documentation"):
        write_running_text(place, tmp_path / "out", 10, 1)
