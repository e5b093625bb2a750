"""The tagger's training text: labels fit the text, parts share no template, and a seed always gives the same texts."""

import os
import random
import subprocess
import sys

import pytest

from training.tagger.corpus.datafiles import read_entries, read_sections
from training.tagger.corpus.draws import choose_below
from training.tagger.corpus.grammar import draw_sentence
from training.tagger.corpus.labelled import (
    ENTITY_OF_SLOT,
    LabelledText,
    escape_braces,
    fill_template,
    join_texts,
    split_template,
)
from training.tagger.corpus.noise import add_noise
from training.tagger.corpus.templates import (
    LANGUAGES,
    PARTS,
    all_templates,
    draw_training_line,
    draw_training_template,
    draw_validation_line,
    template_groups,
    template_lines,
)
from training.tagger.corpus.texts import (
    challenge_texts,
    fill_training_template,
    group_texts,
    held_out_texts,
    line_texts,
    training_texts,
    validation_texts,
)
from training.tagger.corpus.values import draw_value
from training.tagger.corpus.vocabulary import technical_sentences

LINES = [template_lines(language, with_names) for language in LANGUAGES for with_names in (True, False)]


@pytest.fixture(scope="module")
def texts():
    return training_texts(60, 3) + validation_texts(3, 40) + held_out_texts(3, 40)


def test_spans_of_texts_lie_within_the_text_and_do_not_overlap(texts):
    assert any(item.spans for item in texts) and any(not item.spans for item in texts)
    for item in texts:
        end = 0
        for _, start, stop in item.spans:
            assert end <= start < stop <= len(item.text) and item.text[start:stop].strip()
            end = stop


@pytest.mark.parametrize(
    "make", [training_texts, line_texts, lambda count, seed: group_texts("validation", count, seed)]
)
def test_texts_are_the_same_for_the_same_seed(make):
    assert make(5, 4) == make(5, 4) != make(5, 5)


def test_texts_are_the_same_in_another_process():
    """Python orders sets differently in each process; Faker's Italian cities come from a set."""
    script = (
        "from training.tagger.corpus.faker_values import name_pool\n"
        "from training.tagger.corpus.texts import held_out_texts\n"
        "print(name_pool('it_IT', 'city')[:50], held_out_texts(1, 30))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1 and len(outputs.pop()) > 1000


def test_draw_training_line_never_draws_a_line_for_validation():
    chance = random.Random(1)
    for lines in LINES:
        drawn = {draw_training_line(lines, chance) for _ in range(40 * len(lines))}
        kept = {line for place, line in enumerate(lines) if place % 9 == 0 and place + 1 < len(lines)}
        assert not drawn & kept and len(drawn) == len(set(lines) - kept)


def test_draw_validation_line_draws_only_lines_for_validation():
    chance = random.Random(1)
    for language in LANGUAGES:
        kept = {line for with_names in (True, False) for line in template_lines(language, with_names)[::9]}
        assert {draw_validation_line(language, chance) for _ in range(60 * len(kept))} == kept


def test_template_groups_of_parts_share_no_group_and_no_template():
    groups = [template_groups(part) for part in PARTS]
    assert all(name[:2] in LANGUAGES for part in groups for name in part)
    assert len({name for part in groups for name in part}) == sum(map(len, groups))
    templates = [{template for templates in part.values() for template in templates} for part in groups]
    assert not templates[0] & templates[1] and not templates[0] & templates[2] and not templates[1] & templates[2]


@pytest.mark.parametrize("language", LANGUAGES)
def test_draw_value_and_entities_know_every_slot_of_the_templates(language):
    chance = random.Random(4)
    lines = [line for with_names in (True, False) for line in template_lines(language, with_names)]
    templates = [
        *lines,
        *(template for name, group in template_groups("train").items() if name[:2] == language for template in group),
    ]
    templates += [draw_sentence(language, chance) for _ in range(300)]
    slots = {slot for template in templates for _, slot in split_template(template)} - {None}
    for slot in sorted(slots):
        assert draw_value(slot, language, chance)
    names = {"person", "first", "last", "org", "city", "address", "country", "state"}
    assert {slot for slot in slots if slot.partition("_")[0] in names} <= set(ENTITY_OF_SLOT)


def test_split_template_knows_braces_and_slots():
    assert list(split_template("Dear {person}, {{ok}}")) == [("Dear ", "person"), (", {ok}", None)]
    assert list(split_template("")) == [("", None)]
    assert list(split_template(escape_braces("a {b} c"))) == [("a {b} c", None)]


def test_fill_template_labels_each_value():
    values = {"first": "Ada", "last": "Byron", "w": "word"}
    assert fill_template("{first} {last}: {w}", values.__getitem__) == LabelledText(
        "Ada Byron: word", (("PERSON", 0, 3), ("PERSON", 4, 9))
    )


def test_fill_training_template_joins_a_last_name_to_its_first_name():
    item = fill_training_template("Ask {first} {last}.", "en", random.Random(2))
    assert [entity for entity, _, _ in item.spans] == ["PERSON"] and item.spans[0][1] == 4


def test_fill_training_template_adds_possessives_outside_of_spans():
    items = [fill_training_template("Ask {first} now", "en", random.Random(seed)) for seed in range(200)]
    possessive = [item for item in items if "'s" in item.text or "’s" in item.text]
    assert 0 < len(possessive) < 30
    for item in possessive:
        assert item.text[item.spans[0][2] :].startswith(("'s", "’s"))


def test_join_texts_moves_spans_and_puts_no_space_after_a_chinese_full_stop():
    one, other = LabelledText("你好。", ()), LabelledText("Ada", (("PERSON", 0, 3),))
    assert join_texts([one, other], " ") == LabelledText("你好。Ada", (("PERSON", 3, 6),))
    assert join_texts([one, other], "\n") == LabelledText("你好。\nAda", (("PERSON", 4, 7),))
    assert join_texts([other, other], " ").spans == (("PERSON", 0, 3), ("PERSON", 4, 7))


def test_add_noise_moves_no_character():
    item = LabelledText("Straße 5, said Maria Lopez. It is late.", (("PERSON", 15, 26),))
    made = [add_noise(item, "en", random.Random(seed)) for seed in range(60)]
    assert all(len(other.text) == len(item.text) and other.spans == item.spans for other in made)
    assert len({other.text for other in made}) > 3


def test_choose_below_takes_the_first_case_above_the_number():
    cases = ((0.3, lambda: "a"), (1, lambda: "b"))
    assert [choose_below(number, *cases) for number in (0, 0.29, 0.3, 0.99)] == ["a", "a", "b", "b"]
    with pytest.raises(ValueError, match="no case"):
        choose_below(1, *cases)


def test_read_sections_knows_comments_sections_and_escapes():
    assert "Name" in read_sections("grammar/en.txt")["name_labels"]
    entries = read_entries("templates/lines/with_names/en.txt")
    assert "Best,\n{first}" in entries and not any(entry.startswith(("#", "== ")) for entry in entries)
    assert "{person}\t{org}\t{city}\t{country}" in template_groups("train")["en-forms"]
    with pytest.raises(FileNotFoundError):
        read_sections("missing.txt")


def test_challenge_texts_are_no_templates():
    written = {item.text for item in challenge_texts()}
    assert len(written) >= 150 and not written & all_templates()
    for item in challenge_texts():
        assert all(item.text[start:end].strip() for _, start, end in item.spans)


def test_technical_sentences_have_no_slots_and_occur_once():
    sentences = technical_sentences()
    assert len(sentences) == len(set(sentences)) > 300
    assert all("{" not in sentence and sentence.isascii() for sentence in sentences)


def test_draw_training_template_draws_from_every_source():
    chance = random.Random(5)
    drawn = {draw_training_template("en", chance) for _ in range(2_000)}
    groups = {template for group in template_groups("train").values() for template in group}
    for source in (*LINES[:2], groups, technical_sentences()):
        assert drawn & set(source)
    assert drawn - all_templates() - set(technical_sentences())
