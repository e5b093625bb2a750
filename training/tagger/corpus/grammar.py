"""Sentences made by a small grammar: varied contexts, so that the tagger learns them instead of whole sentences.

A sentence is a template with slots. The words are data (`data/grammar/`); the shares below are the grammar.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from training.tagger.corpus.datafiles import read_sections
from training.tagger.corpus.draws import choose_below
from training.tagger.corpus.labelled import escape_braces
from training.tagger.corpus.vocabulary import grammar_words, technical_sentences


def draw_sentence(language: str, chance: random.Random) -> str:
    """Return one template of the grammar.

    Args:
        language: `en`, `zh`, `de`, `fr` or `es`.
        chance: draws the words.

    Example:
        "{org} hired {person} in {month}."
    """
    if language == "zh":
        return _chinese(chance)
    if language == "en":
        return chance.choice(_ENGLISH_KINDS)(chance)
    return _european(language, chance)


def _draw(section: str, chance: random.Random) -> str:
    return chance.choice(read_sections("grammar/en.txt")[section])


def _words(chance: random.Random, least: int = 1, most: int = 4) -> str:
    return " ".join(chance.choice(grammar_words()) for _ in range(chance.randint(least, most)))


def _person(chance: random.Random) -> str:
    """Return a person as a part of a sentence: a name, with or without title or role, or two names."""
    names = ("{first}", "{person}", "{last}")
    return choose_below(
        chance.random(),
        (0.40, lambda: "{person}"),
        (0.50, lambda: f"{_draw('titles', chance)} {chance.choice(('{last}', '{person}', '{last}'))}"),
        (0.62, lambda: _role_and_name(chance)),
        (0.72, lambda: f"{chance.choice(('the ', 'our ', 'a ', 'his '))}{_role(chance)}, {{person}},"),
        (0.86, lambda: "{first}"),
        (0.92, lambda: "{last}"),
        (1, lambda: f"{chance.choice(names)} and {chance.choice(names)}"),
    )


def _role_and_name(chance: random.Random) -> str:
    article = chance.choice(("the ", "our ", "her ", "his ", "my ", ""))
    return f"{article}{_role(chance)} {chance.choice(('{person}', '{first}', '{last}'))}"


def _role(chance: random.Random) -> str:
    role = _draw("roles", chance)
    return role.capitalize() if chance.random() < 0.3 else role


def _verb(chance: random.Random) -> str:
    return _draw("verbs_with_preposition" if chance.random() < 0.3 else "verbs", chance)


def _phrase(chance: random.Random) -> str:
    """Return a phrase that follows a verb: a place, a person, an organisation, an address, a time or plain words."""
    return choose_below(
        chance.random(),
        (0.28, lambda: _place_phrase(chance)),
        (0.48, lambda: f"{_draw('before_organisation', chance)} {{org}}"),
        (0.66, lambda: f"{_draw('before_person', chance)} {_person(chance)}"),
        (0.76, lambda: _address_phrase(chance)),
        (0.84, lambda: _draw("times_and_amounts", chance)),
        (1, lambda: _draw("before_words", chance) + " " + _words(chance, 1, 3)),
    )


def _place_phrase(chance: random.Random) -> str:
    place = _draw("places", chance)
    return f"{_draw('before_place', chance)} {place}"


def _address_phrase(chance: random.Random) -> str:
    before = read_sections("grammar/en.txt")["before_address"]
    return f"{chance.choice((*before, _person(chance) + ',', '{org},'))} {{address}}"


def _clause(chance: random.Random) -> str:
    """Return a sentence about a person."""
    if chance.random() < 0.15:
        return _clause_of_phrases(chance)
    start = _start(chance) if chance.random() < 0.3 else ""
    subject = _person(chance)
    objects: tuple[Callable[[], str], ...] = (
        lambda: _person(chance),
        lambda: _person(chance),
        lambda: "{org}",
        lambda: f"the {_words(chance, 1, 3)}",
        lambda: "{org}",
    )
    thing = chance.choice(objects)()
    verb = _verb(chance)
    phrases = " ".join(_phrase(chance) for _ in range(chance.randint(0, 3)))
    text = f"{start}{subject} {verb} {thing} {phrases}".strip()
    if chance.random() < 0.12:
        text = text.replace(f" {verb} ", f"'s {_words(chance, 1, 2)} {verb} ", 1)
    return _first_upper(text) + chance.choice((".", ".", ".", "", "!", "?", ";"))


def _start(chance: random.Random) -> str:
    return f"{_draw('sentence_starts', chance)}{chance.choice((',', '', ':', ' the', ''))} "


def _clause_of_phrases(chance: random.Random) -> str:
    first, more = _words(chance, 1, 1).capitalize(), _words(chance, 0, 2)
    text = f"{first} {more} {_phrase(chance)} {_words(chance, 1, 3)} {_phrase(chance)}."
    return text.replace("  ", " ")


def _organisation_clause(chance: random.Random) -> str:
    subject = _draw("organisation_subjects", chance)
    verb = _draw("organisation_verbs", chance)
    thing = _draw("organisation_objects", chance).replace("{words}", _words(chance, 1, 3))
    phrases = " ".join(_phrase(chance) for _ in range(chance.randint(0, 2)))
    return f"{subject} {verb} {thing} {phrases}".strip() + "."


def _request(chance: random.Random) -> str:
    """Return a request or a question about a person."""
    text = f"{_draw('requests', chance)} {_person(chance)} {_phrase(chance)} {chance.choice(('', _phrase(chance)))}"
    return text.strip() + chance.choice((".", "?", "!", ""))


def _greeting(chance: random.Random) -> str:
    """Return a greeting, the end of a letter, or an introduction."""
    word = _draw("greetings", chance)
    name = chance.choice(("{first}", "{person}", "Mr. {last}", "Dr. {last}", "{first}"))
    return choose_below(
        chance.random(),
        (0.35, lambda: _salutation(word, name, chance)),
        (0.75, lambda: _signature(word, chance)),
        (1, lambda: _introduction(chance)),
    )


def _salutation(word: str, name: str, chance: random.Random) -> str:
    return f"{word}{chance.choice((',', ''))} {name}{chance.choice((',', '!', '.', ''))} {_words(chance, 2, 6)}."


def _signature(word: str, chance: random.Random) -> str:
    lines = [f"{word},", chance.choice(("{person}", "{first}"))]
    parts = [_draw("jobs", chance), "{org}", "{address}", "{phone}", "{city}"]
    lines += [part for part in parts if chance.random() < 0.35]
    return chance.choice(("\n", "\n", " ")).join(lines)


def _introduction(chance: random.Random) -> str:
    start, name = _draw("introductions", chance), chance.choice(("{first}", "{person}"))
    ends = ("", " from {org}", " in {city}", ", " + _draw("jobs", chance), " " + _phrase(chance))
    return f"{start} {name}{chance.choice(ends)}."


def _labels(chance: random.Random) -> str:
    """Return one to four labels with values, as in forms."""
    parts = [_label(chance) for _ in range(chance.choice((1, 1, 2, 3, 4)))]
    return chance.choice((" ", ", ", "; ", " | ", "\n", "  ")).join(parts)


def _label(chance: random.Random) -> str:
    share = chance.random()
    if share < 0.35:
        label = _draw("name_labels", chance)
        value = chance.choice(("{person}", "{person}", "{person_lf}", "{first}", "{person_upper}", "Dr. {person}"))
    elif share < 0.52:
        label, value = _draw("organisation_labels", chance), "{org}"
    elif share < 0.66:
        label = _draw("place_labels", chance)
        value = chance.choice(("{city}", "{city}, {country}", "{country}", "{state}"))
    elif share < 0.80:
        label, value = _draw("address_labels", chance), "{address}"
    else:
        label = _words(chance, 1, 2).capitalize()
        capitalised = _words(chance, 1, 3).capitalize()
        others = ("{num}", "{date}", "{phone}", "{email}", capitalised, "{amount}", "{plate}", _words(chance, 1, 1))
        value = chance.choice(others)
    return f"{label}{chance.choice((': ', ': ', ' ', ' - ', '=', ':'))}{value}"


def _list(chance: random.Random) -> str:
    """Return values without any words."""
    separator = chance.choice((",", ", ", ";", "\t", " | ", "\n"))
    return separator.join(_draw("list_slots", chance) for _ in range(chance.randint(2, 6)))


def _capitalised_list(chance: random.Random) -> str:
    """Return capitalised words that are not names, as in headings; some with a name at the end."""
    words = [chance.choice(grammar_words()).capitalize() for _ in range(chance.randint(2, 6))]
    text = chance.choice((" ", ", ", " and ", " & ")).join(words)
    return text + chance.choice(("", ".", ":", " {num}", f" for {_person(chance)}", " at {org}"))


def _technical(chance: random.Random) -> str:
    return escape_braces(chance.choice(technical_sentences()))


def _plain(chance: random.Random) -> str:
    """Return words without names; some are capitalised."""
    words = [_plain_word(chance) for _ in range(chance.randint(2, 14))]
    text = " ".join(words)
    return (text[:1].upper() + text[1:] if chance.random() < 0.6 else text) + chance.choice((".", "", "?"))


def _plain_word(chance: random.Random) -> str:
    one, other = chance.choice(grammar_words()), chance.choice(grammar_words())
    return chance.choice((one, other, _draw("capitalised_words", chance), _draw("illnesses", chance)))


_ENGLISH_KINDS = (
    _clause,
    _clause,
    _clause,
    _organisation_clause,
    _labels,
    _labels,
    _list,
    _technical,
    _capitalised_list,
    _request,
    _greeting,
    _plain,
)


def _chinese(chance: random.Random) -> str:
    def draw(section: str) -> str:
        return chance.choice(read_sections("grammar/zh.txt")[section])

    share = chance.random()
    who = chance.choice(("{person}", "{person}", f"{draw('roles')}{{person}}", f"{{person}}{draw('titles')}"))
    start = _chinese_start(chance)
    where = f"{draw('before_place')}{chance.choice(('{city}', '{city}', '{country}'))}"
    firm = f"{draw('before_organisation')}{{org}}"
    home = f"{draw('before_address')}{{address}}"

    def act() -> str:
        return f"{start}{who}{chance.choice((where, firm, ''))}{draw('actions')}{chance.choice(('。', '，', ''))}"

    def meet() -> str:
        other = chance.choice(("{person}", f"{draw('roles')}{{person}}", "{org}"))
        place = chance.choice((where, firm, "", ""))
        return f"{start}{who}{place}{draw('verbs')}{chance.choice(('了', ''))}{other}。"

    def live() -> str:
        comma, place = chance.choice(("，", "")), chance.choice((where, firm, home))
        middle = chance.choice(("，", "。", "工作，", "看病。"))
        return f"{who}{comma}{place}{middle}{chance.choice((home, firm, where, ''))}。"

    def found() -> str:
        when = chance.choice(("于{date}", "", "将", "已"))
        return f"{{org}}{when}{draw('before_place')}{{city}}{draw('organisation_actions')}。"

    return choose_below(
        share,
        (0.25, act),
        (0.45, meet),
        (0.60, live),
        (0.70, found),
        (0.92, lambda: _chinese_labels(chance)),
        (1, lambda: f"{draw('sentence_starts')}{draw('actions')}，{draw('actions')}。"),
    )


def _chinese_start(chance: random.Random) -> str:
    if chance.random() >= 0.4:
        return ""
    starts = read_sections("grammar/zh.txt")["sentence_starts"]
    return chance.choice((*starts, "", "", "", "")) + chance.choice(("，", ""))


def _chinese_labels(chance: random.Random) -> str:
    pairs = (
        ("name_labels", "{person}"),
        ("organisation_labels", "{org}"),
        ("place_labels", "{city}"),
        ("address_labels", "{address}"),
    )
    words = read_sections("grammar/zh.txt")
    chosen = [chance.choice(pairs) for _ in range(chance.randint(1, 4))]
    separator = chance.choice((" ", "，", "\n", "；"))
    return separator.join(
        f"{chance.choice(words[labels])}{chance.choice(('：', ':', ' '))}{slot}" for labels, slot in chosen
    )


def _european(language: str, chance: random.Random) -> str:
    """Return a German, French or Spanish sentence; its parts need not agree in gender or number."""

    def draw(section: str) -> str:
        return chance.choice(words[section])

    def phrase() -> str:
        place = f"{draw('before_place')} {{city}}"
        firm = f"{draw('before_organisation')} {{org}}"
        home = f"{chance.choice((*words['before_address'], '{person},', '{org},'))} {{address}}"
        with_person = f"{draw('before_organisation')} {{person}}"
        return chance.choice((place, firm, home, with_person, filler))

    words = read_sections(f"grammar/{language}.txt")
    with_role = (f"{draw('roles')} {{last}}", f"{draw('roles')} {{person}}")
    who = chance.choice(("{person}", "{person}", *with_role, "{first}"))
    filler = " ".join(draw("words") for _ in range(chance.randint(1, 3)))
    start = f"{draw('sentence_starts')} {filler}" if chance.random() < 0.5 else ""
    phrases = [phrase() for _ in range(chance.randint(0, 3))]
    other = chance.choice(("{person}", "{org}", filler, ""))
    parts = (start, who, draw("verbs"), other, *phrases)
    return " ".join(part for part in parts if part) + chance.choice((".", ".", ""))


def _first_upper(text: str) -> str:
    return text if text[:1] == "{" else text[:1].upper() + text[1:]
