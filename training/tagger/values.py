"""What fills the slots in training: people, places, firms and addresses, in the forms that people write."""

from __future__ import annotations

import random
from functools import lru_cache

from faker import Faker

from training.tagger import words
from training.tagger.generate import (
    _COUNTRIES,
    _FIRMS,
    _KINDS,
    _STATES,
    _ZH_COUNTRIES,
    _ZH_FIRMS,
    TRAINING_LOCALES,
    _value,
    _zh_address,
)

_WORLD = ("en_US", "en_GB", "en_IN", "en_AU", "en_NG", "en_KE", "en_PK", "en_PH", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL", "tr_TR",
    "pt_BR", "sv_SE", "id_ID", "hu_HU", "cs_CZ", "no_NO", "fi_FI", "ga_IE", "hr_HR", "lt_LT", "sk_SK", "sl_SI", "vi_VN", "zu_ZA", "yo_NG", "tw_GH", "et_EE")  # fmt: skip
_PARTICLES = (
    "van",
    "van der",
    "van den",
    "de",
    "de la",
    "von",
    "von der",
    "al",
    "bin",
    "da",
    "dos",
    "di",
    "du",
    "le",
    "del",
    "ben",
    "St.",
    "ter",
)
_STREETS = "Street Road Avenue Lane Drive Close Crescent Way Court Place Boulevard Terrace St Rd Ave Dr Ln Blvd Gardens Square Parkway Hill".split()
_MORE_FIRMS = ("Boots", "Argos", "Lidl", "Rewe", "Carrefour", "Mercadona", "Repsol", "Movistar", "Iberia", "BBVA", "La Caixa", "Renfe", "SNCF", "La Poste", "BNP Paribas",
    "Société Générale", "Orange", "EDF", "Commerzbank", "Volksbank", "AOK", "Techniker Krankenkasse", "Telekom", "Deutsche Bahn", "Bundesagentur für Arbeit", "Infosys", "Wipro",
    "Tata Consultancy Services", "Reliance", "Flipkart", "MTN", "Equity Bank", "Standard Bank", "Zenith Bank", "Grab", "Shopee", "Rakuten", "Softbank", "LG", "Naver", "Medicare",
    "NHS England", "HMRC", "DVLA", "IRS", "Social Security Administration", "Home Office", "United Nations", "WHO", "Greenpeace", "Oxfam", "Save the Children", "British Airways",
    "Ryanair", "EasyJet", "Expedia", "Booking.com", "Stripe", "Slack", "GitHub", "OpenAI", "Dropbox", "Revolut", "Monzo", "Klarna", "Capital One", "American Express", "Bupa",
    "Virgin Media", "O2", "EE", "British Gas", "Anglian Water", "Walgreens", "CVS", "Home Depot", "Best Buy", "Whole Foods", "Trader Joe's", "Burger King")  # fmt: skip
_TOPICS = "Health Education Finance Justice Transport Agriculture Defence Labour Energy Culture Technology Economics Medicine Law Science Arts".split()
_LOCAL = {
    "en": ("The {w} Bank", "{w} Council", "National {w} Agency", "{w} Without Borders", "{w} Rail", "{w} Water", "{city} Council", "{city} City Council", "{city} General Hospital", "University of {city}", "{city} University", "{last} & {last} LLP", "{last} & Sons", "{last} Surgery", "{last} Dental Practice",
        "{last} Medical Centre", "Ministry of {topic}", "Department of {topic}", "{city} Institute of {topic}", "{last} {kind}", "{w} {kind}", "{w} {w} {kind}", "{w} {w} Ltd", "{w} {w} Inc.",
        "{w} {w} LLC", "{city} {kind}", "St {first}'s Hospital", "Royal {city} Infirmary", "{last} High School", "Bank of {city}", "{w} Health", "{last} Pharmacy", "{city} Airport", "{city} FC",
        "{last} AB", "{last} ApS", "{last} d.o.o.", "{w} OÜ", "{last} A/S", "{last} Oy", "{last} Hf", "{w} ehf.", "{last} s.r.o.", "{last} Kft.", "{last} Sp. z o.o.", "{w} B.V.", "{last} N.V.", "{w} SIA", "UAB {w}", "{last} S.p.A.", "{w} Lda", "{w} Sdn Bhd", "{w} K.K.", "{last} Pvt. Ltd.", "{last} Pty Ltd", "{last} Group", "{w}{w2} Technologies", "{w}{w2}", "{city} Police", "The {w} Foundation", "{w} Building Society", "First National Bank of {city}"),
    "de": ("Stadtwerke {city} GmbH", "Klinikum {city}", "Universität {city}", "Sparkasse {city}", "{last} GmbH", "{last} GmbH & Co. KG", "{last} AG", "Stadt {city}", "Amtsgericht {city}",
        "Universitätsklinikum {city}", "Volksbank {city}", "Gymnasium {city}", "{last} und {last} Rechtsanwälte", "Bäckerei {last}", "{last} Versicherung", "TU {city}", "Finanzamt {city}"),
    "fr": ("CHU de {city}", "Université de {city}", "Mairie de {city}", "lycée {person}", "{last} SARL", "{last} et Fils", "Clinique {last}", "Crédit Agricole", "Hôpital {last}", "collège {last}",
        "Caisse d'Épargne", "{last} SA", "Cabinet {last}", "Pharmacie {last}", "Banque de {city}", "Assurances {last}"),
    "es": ("Hospital de {city}", "Universidad de {city}", "Ayuntamiento de {city}", "{last} S.L.", "{last} S.A.", "Hospital General de {city}", "Clínica {last}", "Banco de {city}", "Colegio {last}",
        "Instituto {last}", "Hospital Universitario {last}", "Seguros {last}", "Farmacia {last}", "Grupo {last}", "Transportes {last}"),
}  # fmt: skip
_ADDRESSES = (
    "{n} {s} {st}", "{n} {s} {st}, {city}", "{n} {s} {st}, {city} {uk}", "{n}{l} {s} {st}, {city}, {state} {zip}", "Flat {n}, {n} {s} {st}, {city} {uk}", "Apt {n}, {n} {s} {st}, {city}, {state} {zip}",
    "Unit {n}, {s} Business Park, {city} {uk}", "PO Box {n}, {city} {zip}", "P.O. Box {n}, {city}", "{n} {s} {st} #{n}, {city} {zip}", "Suite {n}, {n} {s} {st}, {city}", "Plot {n}, {s} Nagar, {city} {pin}",
    "{n}/{n}, {s} Road, {city} - {pin}", "House No. {n}, Sector {n}, {city} {pin}", "No. {n}, Jalan {s}, {zip} {city}", "Jl. {s} No. {n}, {city}", "{n} {s} House, {n} {s} {st}\n{city}\n{uk}", "{s}straße {n}, {zip} {city}",
    "{s}str. {n}{l}\n{zip} {city}", "{s}weg {n}, {city}", "Am {s} {n}, {zip} {city}", "{s}platz {n}", "{n} rue de {s}, {zip} {city}", "{n} avenue {s}, {zip} {city}", "{n} bis, boulevard {s}\n{zip} {city}", "{n}, rue {s}", "calle {s} {n}, {zip} {city}",
    "C/ {s} {n}, {n}º {l}, {zip} {city}", "Avenida {s} {n}, {city}", "Via {s} {n}, {zip} {city}", "Piazza {s} {n}, {city}", "{s}straat {n}, {zip} {uk2} {city}", "{s}gracht {n}, {city}", "{s}gatan {n}, {zip} {city}", "{s}vej {n}, {zip} {city}",
    "ul. {s} {n}/{n}, {zip2} {city}", "Rua {s}, {n}, {city}", "Rua {s} {n}, {zip2}-{n} {city}", "{n}-{n}-{n} {s}, {city} {jp}", "{n} {s} St., {city}, {country}", "{n} {s} {st}, {city}, {country}", "{s} Cottage, {s} Lane, {city} {uk}", "{n} {s} Sokak No: {n}, {city}",
)  # fmt: skip


@lru_cache
def _pool(locale: str, what: str, size: int = 400) -> tuple[str, ...]:
    faker = Faker(locale)
    faker.seed_instance(f"{locale}-{what}")
    make = {
        "first": faker.first_name,
        "last": faker.last_name,
        "address": faker.address,
        "company": faker.company,
        "city": faker.city,
    }[what]
    return tuple(sorted({str(make()).strip() for _ in range(size)}))


def first(chance: random.Random, language: str) -> str:
    form = chance.random()
    if form < 0.3:
        return chance.choice(words.census(chance.choice(("female.first", "male.first"))))
    if form < 0.45:
        return chance.choice(words.FIRST)
    local = TRAINING_LOCALES[language] if form < 0.65 and language != "zh" else _WORLD
    return chance.choice(_pool(chance.choice(local), "first"))


def last(chance: random.Random, language: str) -> str:
    form = chance.random()
    if form < 0.3:
        name = chance.choice(words.census("all.last")[:40_000])
    elif form < 0.42:
        name = chance.choice(words.LAST)
    else:
        local = TRAINING_LOCALES[language] if form < 0.65 and language != "zh" else _WORLD
        name = chance.choice(_pool(chance.choice(local), "last"))
    form = chance.random()
    if form < 0.03:
        return f"{chance.choice(('O', 'D', 'N'))}{chance.choice('’' + chr(39))}{name}"
    if form < 0.05:
        return f"{chance.choice(('Mc', 'Mac', 'Fitz'))}{name}"
    if form < 0.09:
        return f"{name}-{chance.choice(words.LAST)}"
    return f"{chance.choice(_PARTICLES)} {name}" if form < 0.13 else name


def person(chance: random.Random, language: str) -> str:
    one, other = first(chance, language), last(chance, language)
    form, letter = chance.random(), chance.choice("ABCDEFGHIJKLMNOPRSTVWYZ")
    if form < 0.66:
        return f"{one} {other}"
    if form < 0.72:
        return f"{one} {letter}. {other}"
    if form < 0.78:
        return chance.choice(
            (f"{one[0]}. {other}", f"{letter}. {one[0]}. {other}", f"{one[0]}.{letter}. {other}", f"{one[0]} {other}")
        )
    if form < 0.86:
        return f"{one} {first(chance, language)} {other}"
    if form < 0.90:
        return f"{one} {other} {last(chance, language)}"
    if form < 0.93:
        return f"{one}-{first(chance, language)} {other}"
    if form < 0.97:
        return f"{other} {one}" if form < 0.95 else f"{chance.choice(words.LAST)} {chance.choice(words.FIRST)}"
    return f"{one} {other} {chance.choice(('Jr.', 'Sr.', 'III', 'Jr', 'II'))}"


def city(chance: random.Random, language: str) -> str:
    if language == "zh":
        return chance.choice(chance.choice((words.cities()[1], words.chinese("place"), _pool("zh_CN", "city"))))
    if chance.random() < 0.25:
        return chance.choice(_pool(chance.choice(TRAINING_LOCALES[language]), "city"))
    return chance.choice(words.cities()[0])


def organisation(chance: random.Random, language: str) -> str:
    form = chance.random()
    if language == "zh":
        if form < 0.25:
            return chance.choice(_ZH_FIRMS)
        if form < 0.55:
            return chance.choice(words.chinese("organisation"))
        if form < 0.7:
            return chance.choice(_pool("zh_CN", "company"))
        kind = chance.choice(
            (
                "医院",
                "第一人民医院",
                "大学",
                "银行",
                "科技有限公司",
                "人民法院",
                "中学",
                "贸易有限公司",
                "中心医院",
                "派出所",
                "律师事务所",
                "大学附属医院",
                "集团",
                "分行",
                "小学",
                "保险公司",
                "文化传媒有限公司",
            )
        )
        name = chance.choice(("", "", chance.choice(GIVEN_PAIRS), chance.choice(words.chinese("word"))))
        return f"{city(chance, 'zh')}{name}{kind}"
    if form < 0.3:
        return chance.choice(chance.choice((_FIRMS, _MORE_FIRMS)))
    if form < 0.45:
        return chance.choice(_pool(chance.choice(TRAINING_LOCALES[language]), "company"))
    local = chance.choice(_LOCAL[language if chance.random() < 0.8 else "en"])
    return local.format(city=city(chance, language), last=last(chance, language), first=first(chance, language), person=person(chance, language), topic=chance.choice(_TOPICS),
        kind=chance.choice(_KINDS), w=_capital(chance, language), w2=_second_half(chance, language))  # fmt: skip


def _capital(chance: random.Random, language: str) -> str:
    return chance.choice(words.common(language)).capitalize()


def _second_half(chance: random.Random, language: str) -> str:
    """Return the end of a made-up firm's name: a capital within, or none."""
    keeps = chance.random() < 0.5
    word = _capital(chance, language)
    return word if keeps else word.lower()


def _some(chance: random.Random, characters: str, count: int) -> str:
    return "".join(chance.choices(characters, k=count))


GIVEN_PAIRS = tuple(words.GIVEN[number : number + 2] for number in range(0, len(words.GIVEN) - 1))


def address(chance: random.Random, language: str) -> str:
    if language == "zh":
        return _zh_address(_faker("zh_CN", chance), chance)
    if chance.random() < 0.35:
        made = chance.choice(_pool(chance.choice(TRAINING_LOCALES[language]), "address"))
        return made.replace("\n", chance.choice((", ", " ", "\n", ", ")))
    street = chance.choice(
        (
            last(chance, language),
            chance.choice(words.common(language)).capitalize(),
            first(chance, language),
            f"{chance.choice(words.common('en')).capitalize()} {last(chance, language)}",
        )
    )
    made = ""
    for number, piece in enumerate(chance.choice(_ADDRESSES).split("{n}")):
        made += (str(int(chance.choice((1, 9, 99, 999, 9999)) * chance.random()) + 1) if number else "") + piece
    return made.format(s=street, st=chance.choice(_STREETS), city=city(chance, language), **_codes(chance))


def _codes(chance: random.Random) -> dict[str, str]:
    """Return what stands for post codes, states, countries and letters of flats."""
    d, a = "0123456789", "ABCDEFGHLNPRSTW"
    return {
        "state": chance.choice((chance.choice(_STATES), _some(chance, a, 2))),
        "zip": _some(chance, d, 5),
        "zip2": f"{_some(chance, d, 2)}-{_some(chance, d, 3)}",
        "pin": chance.choice((_some(chance, d, 6), f"{_some(chance, d, 3)} {_some(chance, d, 3)}")),
        "jp": f"{_some(chance, d, 3)}-{_some(chance, d, 4)}",
        "l": chance.choice(a),
        "uk2": _some(chance, a, 2),
        "uk": f"{_some(chance, a, 2)}{_some(chance, d, 1)} {_some(chance, d, 1)}{_some(chance, a, 2)}",
        "country": chance.choice(_COUNTRIES),
    }


def chinese_name(chance: random.Random) -> str:
    form = chance.random()
    if form < 0.3:
        return chance.choice(words.chinese("person"))
    if form < 0.4:
        return chance.choice(("欧阳", "司马", "上官", "诸葛", "夏侯", "皇甫", "慕容")) + "".join(
            chance.choices(words.GIVEN, k=chance.choice((1, 2)))
        )
    if form < 0.46:
        return chance.choice(("小", "老", "阿")) + chance.choice(words.GIVEN + words.SURNAMES[:60])
    return chance.choice(words.SURNAMES[: chance.choice((30, 300))]) + "".join(
        chance.choices(words.GIVEN, k=chance.choice((1, 2, 2, 2)))
    )


def _faker(locale: str, chance: random.Random) -> Faker:
    """Return a Faker that says the same whenever chance is the same."""
    faker = _opened(locale)
    faker.seed_instance(chance.getrandbits(32))
    return faker


@lru_cache
def _opened(locale: str) -> Faker:
    return Faker(locale)


def value(slot: str, language: str, chance: random.Random) -> str:
    """Return what fills a slot."""
    base, _, form = slot.partition("_")
    if form in ("upper", "lower"):
        made = value(base, language, chance)
        changed = made.upper() if form == "upper" else made.lower()
        return changed
    chinese = language == "zh"
    if slot == "person":
        return chinese_name(chance) if chinese else person(chance, language)
    if slot == "person_lf":
        return f"{last(chance, language)}, {first(chance, language)}"
    if slot == "country" and chinese:
        return chance.choice(_ZH_COUNTRIES)
    if slot == "country":
        return str(chance.choice(_COUNTRIES))
    if slot in ("w", "W", "WW", "UP"):
        word = chance.choice(words.common(language if not chinese else "en"))
        more = chance.choice(words.common(language if not chinese else "en"))
        forms = {"w": word, "W": word.capitalize(), "WW": f"{word} {more}".title(), "UP": word.upper()}
        return forms[slot]
    if slot == "zhw":
        return chance.choice(words.chinese("word"))
    if slot == "zhn":
        return chance.choice("一二三四五六日")
    if slot == "HEX":
        return "".join(chance.choices("0123456789abcdef", k=chance.choice((4, 8, 12))))
    if slot in _MADE and (slot not in ("first", "last") or not chinese):
        return _MADE[slot](chance, language)
    return _value(slot, language, _faker(chance.choice(TRAINING_LOCALES[language]), chance), chance)


_MADE = {"first": first, "last": last, "city": city, "org": organisation, "address": address}
