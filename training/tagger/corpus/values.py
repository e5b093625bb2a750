"""What fills the slots in training: people, places, organisations and addresses, in the forms that people write.

More varied than what Faker makes: names mix locales, addresses follow the habits of many countries. Slots without own
forms here are filled by `faker_values`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from training.tagger.corpus.datafiles import read_sections
from training.tagger.corpus.draws import choose_below, draw_characters
from training.tagger.corpus.faker_values import (
    chinese_address,
    faker_value,
    locales,
    name_pool,
    seeded_faker,
    world_locales,
)
from training.tagger.corpus.gazetteer import country_names, well_known_places
from training.tagger.corpus.vocabulary import (
    census_names,
    chinese_surnames,
    chinese_words,
    cities,
    common_words,
    countries,
    us_states,
)

_DIGITS = "0123456789"
# Share of cities that are among the best known of a language.
_WELL_KNOWN = 0.35


def draw_value(slot: str, language: str, chance: random.Random) -> str:
    """Return a value for a slot.

    Args:
        slot: name of a slot, such as `person`; with `_upper` or `_lower`, in capitals or lower case.
        language: language of the template: `en`, `zh`, `de`, `fr` or `es`.
        chance: draws the value.

    Raises:
        KeyError: if there is no such slot.

    Example:
        For the slot `address`, the language `en`: "Flat 3, 12 Mill Road, Leeds LS1 4AB".
    """
    base, _, form = slot.partition("_")
    if form in ("upper", "lower"):
        value = draw_value(base, language, chance)
        return value.upper() if form == "upper" else value.lower()
    makers = _CHINESE_MAKERS if language == "zh" else _MAKERS
    if slot in makers:
        return makers[slot](chance, language)
    faker = seeded_faker(chance.choice(locales("train")[language]), chance)
    return faker_value(slot, language, faker, chance)


def first_name(chance: random.Random, language: str) -> str:
    """Return a first name: of the census, of the list in `data/`, of a locale of the language or of the world."""
    share = chance.random()
    return choose_below(
        share,
        (0.30, lambda: chance.choice(census_names(chance.choice(("female.first", "male.first"))))),
        (0.45, lambda: _draw("people", "first_names", chance)),
        (1, lambda: _pool_name("first_name", language if share < 0.65 else None, chance)),
    )


def last_name(chance: random.Random, language: str) -> str:
    """Return a last name, as `first_name` does, in some cases with a prefix, a particle or a second name."""
    share = chance.random()
    name = choose_below(
        share,
        (0.30, lambda: chance.choice(census_names("all.last")[:40_000])),
        (0.42, lambda: _draw("people", "last_names", chance)),
        (1, lambda: _pool_name("last_name", language if share < 0.65 else None, chance)),
    )
    return choose_below(
        chance.random(),
        (0.03, lambda: f"{chance.choice(('O', 'D', 'N'))}{chance.choice(('’', chr(39)))}{name}"),
        (0.05, lambda: f"{chance.choice(('Mc', 'Mac', 'Fitz'))}{name}"),
        (0.09, lambda: f"{name}-{_draw('people', 'last_names', chance)}"),
        (0.13, lambda: f"{_draw('people', 'last_name_particles', chance)} {name}"),
        (1, lambda: name),
    )


def person_name(chance: random.Random, language: str) -> str:
    """Return a whole name: first and last name with initials, second names, hyphens or suffixes, or turned around."""
    first, last = first_name(chance, language), last_name(chance, language)
    share, letter = chance.random(), chance.choice("ABCDEFGHIJKLMNOPRSTVWYZ")
    initials = (
        f"{first[0]}. {last}",
        f"{letter}. {first[0]}. {last}",
        f"{first[0]}.{letter}. {last}",
        f"{first[0]} {last}",
    )
    return choose_below(
        share,
        (0.66, lambda: f"{first} {last}"),
        (0.72, lambda: f"{first} {letter}. {last}"),
        (0.78, lambda: chance.choice(initials)),
        (0.86, lambda: f"{first} {first_name(chance, language)} {last}"),
        (0.90, lambda: f"{first} {last} {last_name(chance, language)}"),
        (0.93, lambda: f"{first}-{first_name(chance, language)} {last}"),
        (0.95, lambda: f"{last} {first}"),
        (0.97, lambda: f"{_draw('people', 'last_names', chance)} {_draw('people', 'first_names', chance)}"),
        (1, lambda: f"{first} {last} {_draw('people', 'suffixes', chance)}"),
    )


def chinese_person_name(chance: random.Random) -> str:
    """Return a Chinese name of one to four characters."""
    given = read_sections("values/people.txt")["chinese_given_characters"][0]
    surnames = chinese_surnames()

    def compound() -> str:
        surname = _draw("people", "chinese_compound_surnames", chance)
        return surname + draw_characters(chance, given, chance.choice((1, 2)))

    def nickname() -> str:
        return chance.choice(("小", "老", "阿")) + chance.choice(given + surnames[:60])

    def plain() -> str:
        surname = chance.choice(surnames[: chance.choice((30, 300))])
        return surname + draw_characters(chance, given, chance.choice((1, 2, 2, 2)))

    return choose_below(
        chance.random(),
        (0.30, lambda: chance.choice(chinese_words("person"))),
        (0.40, compound),
        (0.46, nickname),
        (1, plain),
    )


def city_name(chance: random.Random, language: str) -> str:
    """Return the name of a city."""
    latin, chinese = cities()
    if chance.random() < _WELL_KNOWN:
        return chance.choice(well_known_places(language))
    if language == "zh":
        return chance.choice(chance.choice((chinese, chinese_words("place"), name_pool("zh_CN", "city"))))
    if chance.random() < 0.25:
        return _pool_name("city", language, chance)
    return chance.choice(latin)


def organisation_name(chance: random.Random, language: str) -> str:
    """Return the name of an organisation: a known one, one that Faker makes, or one of the forms in `data/`.

    Example:
        "Clínica García", "Bank of Leeds", "Kovac s.r.o."
    """
    share = chance.random()
    if language == "zh":
        return _chinese_organisation_name(share, chance)
    return choose_below(
        share,
        (0.30, lambda: _draw("organisations", chance.choice(("known", "more_known")), chance)),
        (0.45, lambda: _pool_name("company", language, chance)),
        (1, lambda: _organisation_of_form(chance, language)),
    )


def postal_address(chance: random.Random, language: str) -> str:
    """Return a postal address: one that Faker makes, or one of the forms in `data/`."""
    if language == "zh":
        return chinese_address(seeded_faker("zh_CN", chance), chance)
    if chance.random() < 0.35:
        address = _pool_name("address", language, chance)
        return address.replace("\n", chance.choice((", ", " ", "\n", ", ")))
    streets = (
        last_name(chance, language),
        _capitalised(chance, language),
        first_name(chance, language),
        f"{_capitalised(chance, 'en')} {last_name(chance, language)}",
    )
    street = chance.choice(streets)
    form = _with_numbers(_draw("places", "address_forms", chance), chance)
    kind, city = _draw("places", "street_kinds", chance), city_name(chance, language)
    return form.format(s=street, st=kind, city=city, **_codes(chance))


def _draw(file: str, section: str, chance: random.Random) -> str:
    return chance.choice(read_sections(f"values/{file}.txt")[section])


def _pool_name(kind: str, language: str | None, chance: random.Random) -> str:
    """Return a value of one of the language's locales; of the world's without a language.

    Names in Chinese text that are not Chinese are of the world, too.
    """
    of_language = language if language != "zh" else None
    names = locales("train")[of_language] if of_language is not None else world_locales()
    return chance.choice(name_pool(chance.choice(names), kind))


def _chinese_organisation_name(share: float, chance: random.Random) -> str:
    def in_a_city() -> str:
        kind = _draw("organisations", "chinese_kinds", chance)
        given = read_sections("values/people.txt")["chinese_given_characters"][0]
        pair = chance.choice([given[start : start + 2] for start in range(len(given) - 1)])
        name = chance.choice(("", "", pair, chance.choice(chinese_words("word"))))
        return f"{city_name(chance, 'zh')}{name}{kind}"

    return choose_below(
        share,
        (0.25, lambda: _draw("organisations", "known_chinese", chance)),
        (0.55, lambda: chance.choice(chinese_words("organisation"))),
        (0.70, lambda: chance.choice(name_pool("zh_CN", "company"))),
        (1, in_a_city),
    )


def _organisation_of_form(chance: random.Random, language: str) -> str:
    form = _draw("organisations", f"forms_{language if chance.random() < 0.8 else 'en'}", chance)
    return form.format(
        city=city_name(chance, language),
        last=last_name(chance, language),
        first=first_name(chance, language),
        person=person_name(chance, language),
        topic=_draw("organisations", "topics", chance),
        kind=_draw("organisations", "kinds", chance),
        w=_capitalised(chance, language),
        w2=_second_word(chance, language),
    )


def _capitalised(chance: random.Random, language: str) -> str:
    return chance.choice(common_words(language)).capitalize()


def _second_word(chance: random.Random, language: str) -> str:
    """Return the second half of a joined name such as "NorthWind" or "Northwind"."""
    keeps = chance.random() < 0.5
    word = _capitalised(chance, language)
    return word if keeps else word.lower()


def _with_numbers(form: str, chance: random.Random) -> str:
    """Replace each {n} of an address form by a number of one to four digits."""
    first, *rest = form.split("{n}")
    return first + "".join(str(int(chance.choice((1, 9, 99, 999, 9999)) * chance.random()) + 1) + part for part in rest)


def _codes(chance: random.Random) -> dict[str, str]:
    """Return the postal codes, states, countries and letters that address forms contain."""

    def digits(count: int) -> str:
        return draw_characters(chance, _DIGITS, count)

    def letters(count: int) -> str:
        return draw_characters(chance, alphabet, count)

    alphabet = "ABCDEFGHLNPRSTW"
    return {
        "state": chance.choice((chance.choice(us_states()), letters(2))),
        "zip": digits(5),
        "zip2": f"{digits(2)}-{digits(3)}",
        "pin": chance.choice((digits(6), f"{digits(3)} {digits(3)}")),
        "jp": f"{digits(3)}-{digits(4)}",
        "l": chance.choice(alphabet),
        "uk2": letters(2),
        "uk": f"{letters(2)}{digits(1)} {digits(1)}{letters(2)}",
        "country": chance.choice(countries()),
    }


def _word(form: Callable[[str, str], str]) -> Callable[[random.Random, str], str]:
    """Return the maker of a slot for plain words; the form gets two words, and may use one."""

    def make(chance: random.Random, language: str) -> str:
        common = common_words("en" if language == "zh" else language)
        return form(chance.choice(common), chance.choice(common))

    return make


_SHARED_MAKERS: Mapping[str, Callable[[random.Random, str], str]] = {
    "city": city_name,
    "org": organisation_name,
    "address": postal_address,
    "w": _word(lambda word, _: word),
    "W": _word(lambda word, _: word.capitalize()),
    "WW": _word(lambda word, other: f"{word} {other}".title()),
    "UP": _word(lambda word, _: word.upper()),
    "zhw": lambda chance, _: chance.choice(chinese_words("word")),
    "zhn": lambda chance, _: chance.choice("一二三四五六日"),
    "HEX": lambda chance, _: draw_characters(chance, "0123456789abcdef", chance.choice((4, 8, 12))),
}
_MAKERS: Mapping[str, Callable[[random.Random, str], str]] = {
    **_SHARED_MAKERS,
    "person": person_name,
    "person_lf": lambda chance, language: f"{last_name(chance, language)}, {first_name(chance, language)}",
    "first": first_name,
    "last": last_name,
    "country": lambda chance, language: chance.choice(country_names(language)),
}
_CHINESE_MAKERS: Mapping[str, Callable[[random.Random, str], str]] = {
    **_SHARED_MAKERS,
    "person": lambda chance, _: chinese_person_name(chance),
    "person_lf": _MAKERS["person_lf"],
    "foreign": lambda chance, _: chance.choice(chinese_words("foreign")),
    "country": lambda chance, _: chance.choice(
        (_draw("places", "chinese_countries", chance), chance.choice(country_names("zh")))
    ),
}
