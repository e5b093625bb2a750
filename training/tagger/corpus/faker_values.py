"""Values that Faker makes: for the held-out texts, and for the slots that `values` has no own forms of.

A Faker object has a locale (`en_GB`) and a seed of its own, so the same seeds give the same values.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from types import MappingProxyType

from faker import Faker

from training.tagger.corpus.datafiles import read_sections
from training.tagger.corpus.draws import choose_below
from training.tagger.corpus.vocabulary import countries, large_cities, us_states

# The latest date of a text: not today's, so that the same seed gives the same texts on any day.
_LAST_DATE = datetime(2026, 1, 1)
_Maker = Callable[[Faker, random.Random], str]


def locales(part: str) -> Mapping[str, tuple[str, ...]]:
    """Return the locales of a part by language of the template.

    Args:
        part: `train` (also for validation) or `test`.
    """
    sections = read_sections("values/locales.txt")
    prefix = f"{part}_"
    found = {name.removeprefix(prefix): names for name, names in sections.items() if name.startswith(prefix)}
    return MappingProxyType(found)


def world_locales() -> tuple[str, ...]:
    """Return the locales of names that occur in a text of any language but Chinese."""
    return read_sections("values/locales.txt")["world"]


def faker_value(slot: str, language: str, faker: Faker, chance: random.Random) -> str:
    """Return a value for a slot.

    Args:
        slot: name of a slot, such as `person`; with `_upper` or `_lower`, in capitals or lower case.
        language: language of the template.
        faker: of a locale of that language.
        chance: for what Faker does not draw.

    Raises:
        KeyError: if there is no such slot.
    """
    base, _, form = slot.partition("_")
    if form == "upper":
        return faker_value(base, language, faker, chance).upper()
    if form == "lower":
        return faker_value(base, language, faker, chance).lower()
    makers = {**_MAKERS, **_CHINESE_MAKERS} if language == "zh" else _MAKERS
    value = makers[slot](faker, chance)
    return value.strip() if slot == "address" else re.sub(r"\s+", " ", value).strip()


def open_faker(locale: str) -> Faker:
    """Return a new Faker whose values depend on its seed alone."""
    faker = Faker(locale)
    if locale == "it_IT":
        # Faker lists these cities in the order of a set, which another process has in another order.
        provider = next(provider for provider in faker.get_providers() if hasattr(provider, "cities"))
        provider.cities = sorted(provider.cities)
    return faker


@cache
def name_pool(locale: str, kind: str) -> tuple[str, ...]:
    """Return up to 400 different values of a locale, sorted.

    Args:
        locale: such as `en_GB`.
        kind: `first_name`, `last_name`, `address`, `company` or `city`.
    """
    faker = open_faker(locale)
    faker.seed_instance(f"{locale}-{_POOL_SEEDS[kind]}")
    return tuple(sorted({str(getattr(faker, kind)()).strip() for _ in range(400)}))


def seeded_faker(locale: str, chance: random.Random) -> Faker:
    """Return the Faker of a locale with a seed from `chance`; it is shared, so use it before the next call."""
    faker = _cached_faker(locale)
    faker.seed_instance(chance.getrandbits(32))
    return faker


def chinese_address(faker: Faker, chance: random.Random) -> str:
    """Return a Chinese address: Faker's, or city, district, street, number and flat.

    Args:
        faker: of the locale `zh_CN`.
        chance: for what Faker does not draw.
    """
    from_faker = str(faker.address()).rsplit(" ", 1)[0]
    share = chance.random()
    if share < 0.4:
        return from_faker
    places = read_sections("values/places.txt")
    name, kind = chance.choice(places["chinese_street_names"]), chance.choice(places["chinese_street_kinds"])
    street = f"{name}{kind}{chance.randint(1, 999)}号"
    unit = chance.choice(
        (
            "",
            f"{chance.randint(1, 30)}栋{chance.randint(101, 2999)}室",
            f"{chance.randint(1, 20)}单元{chance.randint(101, 999)}",
        )
    )
    city, district = chance.choice(places["chinese_cities"]), chance.choice(places["chinese_districts"])
    return (city if share < 0.8 else "") + district + street + unit


_cached_faker = cache(open_faker)


def _draw(file: str, section: str, chance: random.Random) -> str:
    return chance.choice(read_sections(f"values/{file}.txt")[section])


def _digits(chance: random.Random, count: int) -> str:
    return "".join(chance.choice("0123456789") for _ in range(count))


def _person(faker: Faker, chance: random.Random) -> str:
    first, last = faker.first_name(), faker.last_name()
    return choose_below(
        chance.random(),
        (0.72, lambda: f"{first} {last}"),
        (0.80, lambda: f"{first} {chance.choice('ABCDEFGHJKLMNPRSTW')}. {last}"),
        (0.85, lambda: f"{first[0]}. {last}"),
        (0.90, lambda: f"{first} {faker.first_name()} {last}"),
        (0.94, lambda: f"{first} {last}-{faker.last_name()}"),
        (0.97, lambda: f"{first} {_draw('people', 'held_out_particles', chance)} {last}"),
        (1, lambda: f"{first} {last} {_draw('people', 'held_out_suffixes', chance)}"),
    )


def _english_person(_faker: Faker, chance: random.Random) -> str:
    first = _draw("people", "english_first_names_in_chinese", chance)
    return f"{first} {_draw('people', 'english_last_names_in_chinese', chance)}"


def _city(faker: Faker, chance: random.Random) -> str:
    return chance.choice(large_cities()) if chance.random() < 0.75 else str(faker.city())


def _chinese_city(faker: Faker, chance: random.Random) -> str:
    # zh_TW has no cities by name alone, and no provinces.
    if hasattr(faker, "city_name") and chance.random() < 0.6:
        return str(faker.city_name())
    return f"{faker.province()}{faker.city()}" if hasattr(faker, "province") else str(faker.city())


def _country(faker: Faker, chance: random.Random) -> str:
    return chance.choice(countries()) if chance.random() < 0.7 else str(faker.country())


def _address(faker: Faker, chance: random.Random) -> str:
    def of_one_line() -> str:
        return str(faker.street_address()).replace("\n", ", ")

    return choose_below(
        chance.random(),
        (0.45, lambda: str(faker.address()).replace("\n", chance.choice((", ", " ", "\n", ", ")))),
        (0.75, of_one_line),
        (1, lambda: f"{of_one_line()}, {_city(faker, chance)} {faker.postcode()}"),
    )


def _organisation(faker: Faker, chance: random.Random) -> str:
    def draw(section: str) -> str:
        return _draw("organisations", section, chance)

    def of_name() -> str:
        return f"{chance.choice((faker.last_name(), chance.choice(large_cities())))} {draw('kinds')}"

    def letters() -> str:
        return "".join(chance.choice("ABCDEFGHIKLMNOPRSTUVW") for _ in range(chance.randint(2, 4)))

    return choose_below(
        chance.random(),
        (0.25, lambda: draw("known")),
        (0.50, lambda: str(faker.company())),
        (0.65, of_name),
        (0.72, lambda: f"{draw('held_out_of_place')} of {chance.choice(large_cities())}"),
        (0.80, lambda: f"St. {faker.first_name()}'s {draw('held_out_of_saint')}"),
        (0.86, letters),
        (0.93, lambda: _brand(chance)),
        (1, lambda: f"{faker.last_name()} {draw('held_out_suffixes')}"),
    )


def _brand(chance: random.Random) -> str:
    one, other = (_draw("organisations", "held_out_brand_words", chance) for _ in range(2))
    space = chance.choice((" ", ""))
    other = other.lower() if chance.random() < 0.4 else other
    return f"{one}{space}{other} {_draw('organisations', 'kinds', chance)}"


def _chinese_organisation(faker: Faker, chance: random.Random) -> str:
    def in_a_city() -> str:
        city = faker.city_name() if hasattr(faker, "city_name") else faker.city()
        middle = chance.choice(("第一", "人民", "新", "东方", "华", ""))
        return f"{city}{middle}{_draw('organisations', 'held_out_chinese_kinds', chance)}"

    return choose_below(
        chance.random(),
        (0.3, lambda: _draw("organisations", "known_chinese", chance)),
        (0.6, lambda: str(faker.company())),
        (1, in_a_city),
    )


def _date(faker: Faker, chance: random.Random) -> str:
    day = faker.date_object(_LAST_DATE)
    forms = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d %B %Y", "%B %d, %Y", "%d.%m.%Y", "%b %d, %Y")
    return str(day.strftime(chance.choice(forms)))


def _nhs_number(_faker: Faker, chance: random.Random) -> str:
    return f"{_digits(chance, 3)} {_digits(chance, 3)} {_digits(chance, 4)}"


def _chinese_id(_faker: Faker, chance: random.Random) -> str:
    area, year = _digits(chance, 6), f"19{chance.randint(50, 99)}"
    day = f"{chance.randint(1, 12):02}{chance.randint(1, 28):02}"
    return f"{area}{year}{day}{_digits(chance, 3)}{chance.choice('0123456789X')}"


_MAKERS: Mapping[str, _Maker] = {
    "person": _person,
    "person_lf": lambda faker, _: f"{faker.last_name()}, {faker.first_name()}",
    "first": lambda faker, _: str(faker.first_name()),
    "last": lambda faker, _: str(faker.last_name()),
    "en_person": _english_person,
    "city": _city,
    "country": _country,
    "state": lambda _, chance: chance.choice(us_states()),
    "address": _address,
    "org": _organisation,
    "email": lambda faker, _: str(faker.email()),
    "phone": lambda faker, _: str(faker.phone_number()),
    "cn_phone": lambda _, chance: "1" + chance.choice("3578") + _digits(chance, 9),
    "card": lambda faker, _: str(faker.credit_card_number()),
    "iban": lambda faker, _: str(faker.iban()),
    "ip": lambda faker, _: str(faker.ipv4()),
    "dob": _date,
    "date": _date,
    "mrn": lambda _, chance: _digits(chance, 8),
    "nhs": _nhs_number,
    "passport": lambda _, chance: chance.choice("ABCEGHKX") + _digits(chance, 8),
    "cn_id": _chinese_id,
    "plate": lambda _, chance: f"{''.join(chance.choices('ABCDEFGHJKLM', k=3))}-{_digits(chance, 4)}",
    "age": lambda _, chance: str(chance.randint(1, 99)),
    "num": lambda _, chance: _digits(chance, chance.randint(1, 6)),
    "amount": lambda _, chance: f"{chance.choice('$€£')}{chance.randint(1, 99_999):,}.{_digits(chance, 2)}",
    "month": lambda _, chance: _draw("dates", "months", chance),
    "weekday": lambda _, chance: _draw("dates", "weekdays", chance),
}
_CHINESE_MAKERS: Mapping[str, _Maker] = {
    "person": lambda faker, _: str(faker.name()),
    "city": _chinese_city,
    "country": lambda _, chance: _draw("places", "chinese_countries", chance),
    "address": chinese_address,
    "org": _chinese_organisation,
    "date": lambda _, c: f"{c.randint(1960, 2026)}年{c.randint(1, 12)}月{c.randint(1, 28)}日",
    "amount": lambda _, chance: f"{chance.randint(1, 99_999)}元",
}
# Part of the seed of a pool.
_POOL_SEEDS = {"first_name": "first", "last_name": "last", "address": "address", "company": "company", "city": "city"}
