"""The table of detectors; `Detector` explains the columns. Tests run every example and counter-example.

To add a detector, add a row with examples and counter-examples. Rows of one entity may overlap: the surest wins.
"""

from __future__ import annotations

from governance.privacy.find.patterns import checks
from governance.privacy.find.patterns.checks import stdnum
from governance.privacy.find.patterns.detector import Detector
from governance.privacy.find.patterns.identity import IDENTITY
from governance.privacy.find.patterns.labels import GLUE, IS, IS_SECRET
from governance.privacy.find.patterns.secrets import SECRETS
from governance.privacy.find.patterns.top_level import is_domain, is_surely_domain

# Months in English, German, French and Spanish, for dates with a year, where case does not matter.
_MONTHS = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?|"
    "nov(?:ember)?|dec(?:ember)?|januar|februar|märz|mai|juni|juli|oktober|dezember|janvier|février|mars|avril|juin|juillet|"
    "août|septembre|octobre|novembre|décembre|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|"
    "noviembre|diciembre)"
)
# With capitals, for dates without a year: "may 3" and "mars 2" are more often words.
_MONTH_NAMES = (
    "(?:January|February|March|April|May|June|July|August|September|October|November|December|Januar|Februar|März|Mai|Juni|Juli|"
    "Oktober|Dezember|janvier|février|mars|avril|juin|juillet|août|septembre|octobre|novembre|décembre|enero|febrero|marzo|"
    "abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec)"
)
_WEEKDAYS = (
    "(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?|(?:mon|diens|donners|frei|sams|sonn)tag|mittwoch|lundi|mardi|mercredi|jeudi|"
    "vendredi|samedi|dimanche|lunes|martes|miércoles|jueves|viernes|sábado|domingo"
)
_TENS = "(?:twen|thir|for|fif|six|seven|eigh|nine)ty"
_ONES = "(?:one|two|three|four|five|six|seven|eight|nine)"
# A letter of a European language, in UTF-8.
_LETTER = r"(?:[A-Za-z'.\-]|[\xc3-\xc5][\x80-\xbf])"
_PHONE_WORDS = ("phone", "tel", "mobile", "cell", "call", "fax", "whatsapp", "reach me", "reach us", "reached at", "contact", "sms", "text me", "ring", "dial", "llam", "appel", "anruf", "mobil", "móvil", "portable", "celular", "puhelin", "telefo", "tlf", "телефон", "telefon", "teléfono", "tél", "handy", "电话", "手机", "联系", "致电", "传真")  # fmt: skip
_DATE_OF_BIRTH = ("born", "birth", "dob", "d.o.b", "geboren", "née", "né le", "nacid", "出生", "生日", "生于")
_IP = ("ip", "ipv4", "ipv6", "address", "地址")
_CARD = ("card", "visa", "mastercard", "maestro", "credit", "debit", "karte", "tarjeta", "carte", "信用卡", "卡号")
_PASSPORT = ("passport", "travel document", "reisepass", "passeport", "pasaporte", "护照")
_LICENCE = ("driver", "driving", "licence", "license", "dl#", "dl no", "führerschein", "驾驶证", "驾照")
_BANK = ("account", "acct", "bank", "routing", "kontonummer", "账号", "账户", "卡号")
_SSN = r"(?:ssn|social[ \-]security)"
_STREET = (
    "(?:street|st|avenue|ave|road|rd|lane|ln|drive|dr|court|ct|boulevard|blvd|way|place|pl|square|sq|terrace|terr|parkway|pkwy|"
    "circle|cir|highway|hwy|close|crescent|gardens|grove|mews|row|walk|hill|trail|path|plaza|loop|run|alley|track|courts|pass|point|"
    "ridge|heights|landing|manor|meadow|meadows|park|bend|crossing|knoll|villas?|station|spring|springs|estate|expressway|freeway)"
)

DETECTORS: tuple[Detector, ...] = (
    Detector(
        "placeholder", "", r"<[A-Za-z][A-Za-z0-9_]{1,63}(?:#[0-9a-f]{32}|:[A-Za-z0-9_\-]{22,4000})?>", 2.0, checks.placeholder, begins=r"<[A-Za-z][A-Za-z0-9_]+[#:>]",
        examples=("<PERSON>", "<EMAIL_ADDRESS#0123456789abcdef0123456789abcdef>"), counter_examples=("<person>", "a < B and C > d"),
    ),
    Detector(
        "email", "EMAIL_ADDRESS", r"[a-z0-9\xc3-\xd3][a-z0-9._%+'\-!#$&*^~\x80-\xbf\xc3-\xd3]{0,63}@[a-z0-9\x80-\xf4](?:[a-z0-9\-\x80-\xf4]{0,62}\.){1,6}(?:xn--[a-z0-9\-]{1,59}|[a-z]{2,24}|[\xc3-\xd3\x80-\xbf]{4,24})", 0.98, caseless=True, edges="@",
        examples=("ada@example.org", "First.Last+tag@sub.example.co.uk", "jörg.müller@bücher.example", "ада@пример.рф", "o!b#c@example.org"), counter_examples=("a@b", "@example.org", "ada@example"),
    ),
    Detector(
        "email-spelt", "EMAIL_ADDRESS", r"[a-z0-9][a-z0-9._%+'\-]{0,63} ?(?:\(at\)|\[at\]) ?[a-z0-9\-]{1,63}(?:(?:\.| ?(?:\(dot\)|\[dot\]) ?| dot )[a-z0-9\-]{2,63}){1,4}", 0.9, caseless=True,
        examples=("ada (at) example.org", "ada[at]example [dot] org", "Ada.L (AT) example dot org"), counter_examples=("look (at) it",),
    ),
    Detector(
        "url", "URL", r"(?:https?|ftp)://[^\s\x00\"'<>()\[\]{}]{3,2000}", 0.95, caseless=True,
        examples=("https://example.org/a?b=c", "http://user:pw@10.0.0.1:8080/x"), counter_examples=("http://", "https"),
    ),
    Detector(
        "web-address", "URL", r"www\.[a-z0-9\-]{1,63}\.[a-z0-9.\-]{2,200}/[^\s\x00\"'<>()\[\]{}]{0,2000}|www\.[a-z0-9\-]{1,63}\.[a-z0-9.\-]{2,200}", 0.7, caseless=True,
        examples=("www.example.org/x",), counter_examples=("www.",),
    ),
    Detector(
        "domain", "DOMAIN_NAME", r"[a-z0-9](?:[a-z0-9\-]{0,62}\.){1,5}(?:[a-z]{2,24}|xn--[a-z0-9\-]{1,59})", 0.86, is_domain, ("domain", "site", "website", "host", "server", "visit", "网站", "域名"), 0.9, "@.", True, alone=is_surely_domain, not_behind="(",
        examples=("mail.example.org", "example.co.uk", "kontakt.museum ist unsere website", "orchestra.berlin website"), counter_examples=("setup.py", "e.g.x", "file.txt", "self.name", "org.apache.commons.io", "logger.info(text)", "fakeroot.es.1.gz", "e.fr"),
    ),
    Detector(
        "card", "CREDIT_CARD", r"[2-6]\d{3}(?:[ \-]?\d{4}){2}[ \-]?\d{1,4}(?:[ \-]?\d{1,3})?|3[47]\d{2}[ \-]?\d{6}[ \-]?\d{5}|3(?:0[0-5]|[689]\d)\d[ \-]?\d{6}[ \-]?\d{4}|[4-6]\d{11,18}|1800\d{11}", 0.98, checks.credit_card, _CARD, 1.0, edges="-.",
        digits=12, examples=("4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005", "30569309025904", "213136494205557", "180009152487057", "3523788319072486"), counter_examples=("4111 1111 1111 1112", "1234 5678 9012 3456", "blk_-4180967929081003391"),
    ),
    Detector(
        "negative-number", "", r"-\d{17,20}", 0.99,
        digits=17, marks="-", examples=("block blk_-4180967929081003391",), counter_examples=("card -4111111111111111",),
    ),
    Detector(
        "iban", "IBAN_CODE", r"[a-z]{2}\d{2}(?:[ \-]?[a-z0-9]{4}){2,7}(?:[ \-]?[a-z0-9]{1,3})?", 1.0, checks.iban, caseless=True,
        examples=("DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "GB70BWOB1835794503803"), counter_examples=("DE88 3704 0044 0532 0130 00",),
    ),
    Detector(
        "ipv4", "IP_ADDRESS", r"(?:\d{1,3}\.){3}\d{1,3}", 0.9, checks.ip_address, _IP, 0.95, edges=".", alone=checks.ip_address_alone,
        digits=4, marks=".", examples=("192.168.10.1", "8.8.8.8", "ip address 1.2.3.4"), counter_examples=("256.1.1.1", "1.2.3.4", "127.0.0.1"),
    ),
    Detector(
        "version", "", r"(?:version|release|revision|firmware|build|agent|ver\.?|chrome|firefox|safari|edg|opera|kernel|windows)[ :=/\"'\-]{0,3}v?\d{1,5}(?:\.\d{1,6}){2,5}", 0.98, caseless=True,
        examples=("version 10.0.17.4", "Firmware: v4.15.0.20", "build=12.1.3.1"), counter_examples=("host 10.0.17.40",),
    ),
    Detector(
        "ipv4-labelled", "IP_ADDRESS", r"(?:\d{1,3}\.){3}\d{1,3}", 0.9, checks.ip_address, edges=".", caseless=True, label="ip(?:v4)?[:=：]?",
        examples=("IP192.168.10.1被封",), counter_examples=("IP256.1.1.1",),
    ),
    Detector(
        "ipv6", "IP_ADDRESS", r"[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}", 0.9, checks.ip_address, _IP, 0.95, edges=":.", caseless=True, alone=checks.ip_address_alone,
        examples=("2001:db8:85a3::8a2e:370:7334", "fe80::1", "ip: beef::bad"), counter_examples=("12:30:45", "A::B", "::1", "std::dec", "beef::bad"),
    ),
    Detector(
        "mac", "MAC_ADDRESS", r"(?:[0-9a-f]{2}[:\-]){5}[0-9a-f]{2}", 0.95, edges=":-", caseless=True,
        examples=("00:1A:2B:3C:4D:5E", "00-1a-2b-3c-4d-5e"), counter_examples=("00:1A:2B:3C:4D",),
    ),
    Detector(
        "phone-international", "PHONE_NUMBER", r"\+ ?\(?\d{1,3}\)?(?:[ .\-/]?\(?\d{1,5}\)?){2,7}(?: ?(?:x|ext\.?) ?\d{1,6})?", 0.85, checks.phone, _PHONE_WORDS, 1.0, "+.", True, alone=checks.phone_alone,
        digits=7, marks="+", examples=("+44 20 7946 0958", "+1 (415) 555-2671", "+86 138 1234 5678", "+49-30-901820"), counter_examples=("+1", "+999 12", "+12.345678"),
    ),
    Detector(
        "phone-double-zero", "PHONE_NUMBER", r"00[1-9]\d{0,2}(?:[ .\-/]?\(?\d{1,5}\)?){2,6}", 0.5, checks.phone, _PHONE_WORDS, 0.95, "-.", alone=checks.phone_alone,
        digits=9, examples=("0044 20 7946 0958",), counter_examples=("00",),
    ),
    Detector(
        "phone-north-america", "PHONE_NUMBER", r"(?:1[ .\-])?(?:\(\d{3}\) ?|\d{3}[ .\-])\d{3}[ .\-]\d{4}(?: ?(?:x|ext\.?) ?\d{1,6})?", 0.75, lambda text: checks.north_american_phone(text.lower().partition("x")[0].removesuffix("e")), _PHONE_WORDS, 1.0, "-.", True,
        digits=10, marks="-. (", examples=("(415) 555-2671", "415-555-2671", "415.555.2671 x123"), counter_examples=("115-555-2671", "12-345-6789"),
    ),
    Detector(
        "phone-national", "PHONE_NUMBER", r"\(?0\d{1,5}\)?(?:[ .\-/]?\d{2,8}){1,5}", 0.45, checks.phone, _PHONE_WORDS, 0.95, "-./", alone=checks.phone_alone,
        digits=7, marks="0", examples=("020 7946 0958", "030/901820", "0171 1234567"), counter_examples=("0.50", "081110 103027", "02110-1301"),
    ),
    Detector(
        "phone-plain", "PHONE_NUMBER", r"\(?\d{1,4}\)?(?:[ .\-]\d{2,4}){2,4}(?: ?x ?\d{1,6})?|(?:1[ .\-])?\(\d{2,3}\) ?\d{3,4}[ .\-]?\d{4,5}(?: ?x ?\d{1,6})?|\(?\d{3,4}\)?[ .\-]\d{3,4}|\d{1,5}[ .\-]\d{5,8}|\+\d{1,3}(?:[ .\-/]?\(?\d{1,8}\)?){2,6}|\d{7,12}(?:x\d{1,6})?", 0.1, checks.plausible_phone, _PHONE_WORDS, 0.75, "-./:,",
        examples=("call 555-0199", "tel 5550123", "phone: 98 12 34 56", "call me on 001-652-238-5222x9448", "tel (533)169-2774", "tel 1-139-935-1700", "tel (351) 924354539", "tel 0037-946201", "call +89(8)9723213224"), counter_examples=("12-34",),
    ),
    Detector(
        "cn-mobile", "PHONE_NUMBER", r"(?:86[ \-]?)?1[3-9]\d[ \-]?\d{4}[ \-]?\d{4}", 0.8, None, _PHONE_WORDS, 1.0, "-.",
        digits=11, examples=("13812345678", "138-1234-5678"), counter_examples=("12812345678",),
    ),
    Detector(
        "cn-resident-id", "CN_RESIDENT_ID", r"[1-8]\d{5}(?:18|19|20)\d{2}[01]\d[0-3]\d\d{3}[\dx]", 1.0, checks.cn_resident_id, caseless=True,
        digits=17, examples=("11010519491231002X",), counter_examples=("110105194912310021",),
    ),
    Detector(
        "ssn", "US_SSN", r"\d{3}[ \-]\d{2}[ \-]\d{4}", 0.85, checks.ssn, ("ssn", "social security", "social-security"), 1.0, "-.",
        digits=9, marks="- ", examples=("536-90-4399",), counter_examples=("000-12-3456", "666-12-3456", "536-00-4399"),
    ),
    Detector(
        "ssn-plain", "US_SSN", r"\d{9}", 0.05, checks.ssn, ("ssn", "social security"), 0.85, "-.",
        examples=("SSN: 536904399",), counter_examples=("SSN: 000904399",),
    ),
    Detector(
        "itin", "US_ITIN", r"9\d{2}[ \-][5-9]\d[ \-]\d{4}", 0.8, checks.itin, ("itin", "taxpayer"), 1.0, "-.",
        digits=9, marks="- ", examples=("ITIN 912-70-1234", "912-70-1234"), counter_examples=("ITIN 912-40-1234",),
    ),
    Detector(
        "itin-plain", "US_ITIN", r"9\d{2}[5-9]\d{5}", 0.1, checks.itin, ("itin", "taxpayer"), 0.9, "-.",
        examples=("ITIN 912701234",), counter_examples=("ITIN 912401234", "order 912701234"),
    ),
    Detector(
        "us-passport", "US_PASSPORT", r"[a-z]?\d{8,9}", 0.05, None, _PASSPORT, 0.87, "-.", True,
        examples=("passport 912345678", "护照号 E12345678"), counter_examples=("order 912345678",),
    ),
    Detector(
        "passport", "PASSPORT", r"[a-z]{1,3}\d{6,7}|\d{2}[a-z]{2}\d{5}|[cfghjklmnprtvwxyz][0-9cfghjklmnprtvwxyz]{8}", 0.05, checks.has_digit, _PASSPORT, 0.86, "-.", True,
        examples=("Reisepass C01X00T47", "passeport 12AB34567", "pasaporte AAA123456", "passport S5743542"), counter_examples=("order C01X00T47",),
    ),
    Detector(
        "driver-licence", "US_DRIVER_LICENSE", r"[a-z]{1,2}-?\d{3,4}[ \-]?\d{3,4}(?:[ \-]?\d{3,5})?|\d{7,9}", 0.05, None, _LICENCE, 0.86, "-.", True,
        examples=("driver's license D123-4567-8901", "driving licence no 12345678"), counter_examples=("page D123",),
    ),
    Detector(
        "nhs", "UK_NHS", r"\d{3}[ \-]\d{3}[ \-]\d{4}", 0.5, checks.nhs, ("nhs", "national health"), 1.0, "-.",
        digits=10, marks="- ", examples=("NHS 943 476 5919",), counter_examples=("943 476 5918",),
    ),
    Detector(
        "nhs-plain", "UK_NHS", r"\d{10}", 0.1, checks.nhs, ("nhs", "national health"), 1.0, "-.",
        examples=("NHS No 9434765919",), counter_examples=("NHS No 9434765918", "order 9434765919"),
    ),
    Detector(
        "nino", "UK_NINO", r"[a-z]{2} ?\d{2} ?\d{2} ?\d{2} ?[a-d]", 0.7, checks.nino, ("nino", "national insurance", "ni number"), 1.0, caseless=True,
        examples=("AB 12 34 56 C", "AB123456C"), counter_examples=("BG 12 34 56 C", "AB123456E"),
    ),
    Detector(
        "eu-vat", "VAT_NUMBER", r"(?:AT ?U|BE ?0|BG|CY|CZ|DE|DK|EE|EL|ES ?[A-Z]|FI|FR ?[A-Z0-9]{2}|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK) ?\d(?:[ .]?[0-9A-Z]){5,12}", 0.8, checks.eu_vat, ("vat", "ust", "tva", "iva", "btw"), 1.0,
        examples=("DE136695976", "ATU13585627"), counter_examples=("DE136695978",),
    ),
    Detector(
        "es-nif", "ES_NIF", r"[XYZ]?\d{7,8}-?[A-Z]", 0.7, stdnum("es.nif"), ("dni", "nif", "nie"), 1.0, "-.",
        digits=7, examples=("54362315K", "54362315-K"), counter_examples=("54362315Z",),
    ),
    Detector(
        "es-nie", "ES_NIF", r"[XYZ]-?\d{7}-?[A-Z]", 0.9, stdnum("es.nie"), ("nie", "dni", "nif"), 1.0,
        examples=("NIE X0507458D",), counter_examples=("X0507458A",),
    ),
    Detector(
        "es-cif", "VAT_NUMBER", r"[ABCDEFGHJNPQRSUVW]-?\d{7}-?[0-9A-J]", 0.3, stdnum("es.cif"), ("cif", "nif", "vat", "iva"), 1.0,
        examples=("CIF B75435560",), counter_examples=("CIF B75435561",),
    ),
    Detector(
        "it-fiscal-code", "IT_FISCAL_CODE", r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", 0.95, stdnum("it.codicefiscale"), caseless=True,
        examples=("RCCMNL83S18D969H",), counter_examples=("RCCMNL83S18D969A",),
    ),
    Detector(
        "fr-nir", "FR_NIR", r"[12] ?\d{2} ?(?:0\d|1[0-2]|[2-9]\d) ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}", 0.9, stdnum("fr.nir"), edges="-.",
        digits=13, examples=("2 95 10 99 126 111 93",), counter_examples=("2 95 10 99 126 111 94",),
    ),
    Detector(
        "de-tax-id", "DE_TAX_ID", r"[1-9]\d(?: ?\d{3}){3}", 0.5, stdnum("de.idnr", checks.one_digit_again), ("steuer", "idnr", "tax id"), 1.0, "-.",
        digits=11, examples=("36 574 261 809",), counter_examples=("36 574 261 808",),
    ),
    Detector(
        "nl-bsn", "NL_BSN", r"\d{9}|\d{4}[. ]\d{2}[. ]\d{3}", 0.1, stdnum("nl.bsn"), ("bsn", "burgerservicenummer", "sofinummer"), 0.95, "-",
        examples=("BSN 111222333",), counter_examples=("BSN 111222334",),
    ),
    Detector(
        "pl-pesel", "PL_PESEL", r"\d{11}", 0.4, stdnum("pl.pesel", checks.weighted(1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1, modulus=10)), ("pesel",), 1.0, "-.",
        digits=11, examples=("PESEL 44051401359",), counter_examples=("PESEL 44051401358",),
    ),
    Detector(
        "se-personnummer", "SE_PERSONNUMMER", r"(?:\d{2})?\d{6}[\-+]\d{4}", 0.75, stdnum("se.personnummer"), ("personnummer",), 1.0,
        digits=10, marks="-+", examples=("880320-0016",), counter_examples=("880320-0018",),
    ),
    Detector(
        "fi-hetu", "FI_HETU", r"[0-3]\d[01]\d{3}[\-+ABCDEFYXWVU]\d{3}[0-9A-Y]", 0.85, stdnum("fi.hetu"), ("hetu", "henkilötunnus"), 1.0,
        examples=("131052-308T",), counter_examples=("131052-308U",),
    ),
    Detector(
        "in-aadhaar", "IN_AADHAAR", r"[2-9]\d{3}[ \-]\d{4}[ \-]\d{4}", 0.6, stdnum("in_.aadhaar", checks.verhoeff), ("aadhaar", "aadhar", "uidai"), 1.0, "-.",
        digits=12, marks="- ", examples=("2341 2341 2346",), counter_examples=("2341 2341 2347",),
    ),
    Detector(
        "in-aadhaar-plain", "IN_AADHAAR", r"[2-9]\d{11}", 0.1, stdnum("in_.aadhaar", checks.verhoeff), ("aadhaar", "aadhar", "uidai", "आधार"), 1.0, "-.",
        examples=("Aadhaar: 234123412346",), counter_examples=("Aadhaar: 234123412347", "order 234123412346"),
    ),
    Detector(
        "in-pan", "IN_PAN", r"[A-Z]{3}[ABCFGHLJPTK][A-Z]\d{4}[A-Z]", 0.75, stdnum("in_.pan"), ("pan", "income tax"), 1.0,
        examples=("ACUPA7085R",), counter_examples=("ACUDA7085R",),
    ),
    Detector(
        "br-cpf", "BR_CPF", r"\d{3}\.\d{3}\.\d{3}-\d{2}|\d{11}", 0.4, stdnum("br.cpf", checks.weighted(10, 9, 8, 7, 6, 5, 4, 3, 2, 1, modulus=11, rests=(0, 1))), ("cpf",), 1.0, "-",
        digits=11, examples=("390.533.447-05",), counter_examples=("390.533.447-06",),
    ),
    Detector(
        "au-tfn", "AU_TFN", r"\d{3}[ \-]?\d{3}[ \-]?\d{3}", 0.1, stdnum("au.tfn"), ("tfn", "tax file"), 1.0, "-.",
        examples=("TFN 123 456 782",), counter_examples=("TFN 123 456 781",),
    ),
    Detector(
        "ca-sin", "CA_SIN", r"\d{3}[ \-]\d{3}[ \-]\d{3}", 0.3, checks.ca_sin, ("sin", "social insurance"), 1.0, "-.",
        digits=9, marks="- ", examples=("SIN 123-456-782",), counter_examples=("SIN 999-999-999",),
    ),
    Detector(
        "sg-nric", "SG_NRIC", r"[STFGM]\d{7}[A-Z]", 0.86, None, ("nric", "fin"), 1.0,
        examples=("S1234567D",), counter_examples=("A1234567D",),
    ),
    Detector(
        "date-numbers", "DATE_TIME", r"\d{4}[\-/.]\d{1,2}[\-/.]\d{1,2}|\d{1,2}[\-/.]\d{1,2}[\-/.](?:\d{4}|\d{2})", 0.85, checks.date, _DATE_OF_BIRTH, 0.95, "-/.",
        digits=5, marks="-/.", examples=("1984-05-17", "17/05/1984", "17.05.84"), counter_examples=("45/67/1984", "1.2.3.4"),
    ),
    Detector(
        "date-words", "DATE_TIME", rf"(?:\d{{1,2}}(?:st|nd|rd|th|er|\.)? (?:de |of )?{_MONTHS}\.?,?(?: del?| of)? \d{{4}}|{_MONTHS}\.? \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}|\d{{1,2}}[ \-]{_MONTHS}[ \-]\d{{2,4}})", 0.85, None, _DATE_OF_BIRTH, 0.95, caseless=True,
        examples=("17 May 1984", "May 17th, 1984", "3. März 2020", "5 de mayo de 2001"), counter_examples=("May", "17 May"),
    ),
    Detector(
        "date-chinese", "DATE_TIME", r"\d{4} ?年 ?\d{1,2} ?月(?: ?\d{1,2} ?(?:日|号))?|\d{1,2}月\d{1,2}(?:日|号)|(?:一|二|三|四|五|六|七|八|九|〇|○|零){4}年(?:一|二|三|四|五|六|七|八|九|十){1,2}月(?:一|二|三|四|五|六|七|八|九|十){1,3}(?:日|号)", 0.86, None, _DATE_OF_BIRTH, 0.95,
        examples=("1984年5月17日", "1984年5月17号", "5月17日", "一九八四年五月十七日"), counter_examples=("5月",),
    ),
    Detector(
        "date-day-month", "DATE_TIME", rf"\d{{1,2}}(?:st|nd|rd|th|er|\.)? (?:of |de )?{_MONTH_NAMES}|{_MONTH_NAMES} (?:\d{{4}}|\d{{1,2}}(?:st|nd|rd|th)?)", 0.6, None, _DATE_OF_BIRTH, 0.9,
        examples=("17 May", "May 17th", "March 2020", "3. Oktober"), counter_examples=("may 17", "Mayor 17"),
    ),
    Detector(
        "date-and-time-of-birth", "DATE_TIME", r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?(?:\.\d{1,9})?(?:Z|[+\-]\d{2}:?\d{2})?", 0.1, None, _DATE_OF_BIRTH, 0.95,
        examples=("birthDate: 1984-05-17T00:00:00Z",), counter_examples=("2026-01-02T03:04:05Z INFO started",),
    ),
    Detector(
        "date-weekday", "DATE_TIME", rf"(?:{_WEEKDAYS})\.?,? (?:the |den |dem |le |el |der )?(?:\d{{1,2}}(?:st|nd|rd|th|er|\.)? ?(?:of |de )?{_MONTHS}|{_MONTHS}\.? \d{{1,2}}(?:st|nd|rd|th)?|\d{{1,2}}[./]\d{{1,2}}[./]\d{{2,4}}|\d{{4}}-\d\d-\d\d)", 0.85, None, _DATE_OF_BIRTH, 0.95, caseless=True,
        examples=("Monday, 17 May", "Sonntag, den 3. März", "vendredi 3 août", "Tue May 17th"), counter_examples=("Monday 3 items",),
    ),
    Detector(
        "time-of-day", "DATE_TIME", r"\d{1,2}(?:[:.]\d{2}){0,2} ?(?:a\.?m|p\.?m|uhr)|\d{1,2} ?h ?[0-5]\d", 0.6, checks.time_of_day, caseless=True, edges=".:",
        examples=("3:15 pm", "14:30 Uhr", "at 9am", "14h30"), counter_examples=("12:30:45", "40 pm"),
    ),
    Detector(
        "age-words", "AGE", rf"(?:{_TENS}(?:[ \-]{_ONES})?|{_ONES}|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen)[ \-](?:years?|months?)[ \-](?:old|of age)", 0.85, caseless=True,
        examples=("forty-two years old", "a seven-year-old", "nineteen years of age"), counter_examples=("forty-two years",),
    ),
    Detector(
        "age", "AGE", r"\d{1,3}[ \-](?:years?|yrs?|months?|weeks?|days?)[ \-](?:old|of age)|\d{1,3} ?(?:周|虚|)岁|\d{1,3} ?y/?o|\d{1,3}[ \-]jährige[rsnm]?|\d{1,3} jahre alt|\d{1,3} ans|\d{1,3} años|(?:age|aged|age:|age of|age\": ?|alter:|edad:|âge ?:|年龄:?|年龄：) ?\d{1,3}", 0.85, checks.age, caseless=True,
        examples=("42 years old", "a 7-year-old", "42岁", "aged 42"), counter_examples=("420 years old", "42 years"),
    ),
    Detector(
        "us-zip", "POSTAL_CODE", r"(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]) \d{5}(?:-\d{4})?", 0.7, None, ("zip", "address", "postal"), 0.9, "-.",
        examples=("CA 94105", "NY 10001-1234"), counter_examples=("XX 94105",),
    ),
    Detector(
        "zip-plain", "POSTAL_CODE", r"\d{5}(?:-\d{4})?", 0.05, None, ("zip", "postal code", "postcode", "plz", "邮编"), 0.8, "-.",
        examples=("ZIP 94105", "邮编 100081"[:8]), counter_examples=("code 94105",),
    ),
    Detector(
        "postal-code-said", "POSTAL_CODE", r"[A-Z]{1,2}-?\d{3,5}|\d{4} ?[A-Z]{2}|\d{3,7}|[A-Z]\d[A-Z] ?\d[A-Z]\d|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|\d{2}-\d{3}|\d{3,5}[ \-]\d{2,4}", 0.8, edges="-.",
        label=rf"(?i:(?:zip(?:[ \-_]?code)?|post(?:al)?[ \-_]?code|plz|postleitzahl|code postal|código postal|c\.p\.|cap|postnummer|pincode|pin code|邮编|邮政编码|郵便番号){IS})",
        examples=("postal code: K1A 0B6", "PLZ 10115", "código postal: 28013", "postcode=1012 AB", "郵便番号：100-0001"), counter_examples=("K1A 0B6", "postal code of it"),
    ),
    Detector(
        "uk-postcode", "POSTAL_CODE", r"[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2}", 0.75, None, ("postcode", "address"), 0.95,
        examples=("SW1A 1AA", "M1 1AE"), counter_examples=("SW1A 1A",),
    ),
    Detector(
        "street-address", "ADDRESS", rf"\d{{1,5}}[a-z]? (?:[a-z][a-z'\-]{{1,20}}\.? ){{1,4}}{_STREET}", 0.6, None, ("address", "live", "reside", "deliver", "ship", "home"), 0.7, caseless=True,
        tail=r"\.?(?:,? (?:apt|apartment|suite|ste|unit|flat|floor|#)\.? ?#?[a-z0-9\-]{1,6})?",
        examples=("221 Baker Street", "1600 Amphitheatre Parkway, Suite 5"), counter_examples=("five streets",),
    ),
    Detector(
        "german-street", "ADDRESS", r"[A-ZÄÖÜ][a-zäöüß\-]{2,25}(?:straße|strasse|str\.|weg|platz|allee|gasse|ring|damm) \d{1,4}[a-z]?(?:,? \d{5} [A-ZÄÖÜ][a-zäöüß\-]{2,25})?", 0.7, None, ("adresse", "wohn", "anschrift"), 0.9,
        examples=("Hauptstraße 5, 10115 Berlin",), counter_examples=("Hauptstraße",),
    ),
    Detector(
        "street-before-number", "ADDRESS", rf"(?:C/|Calle|Avda\.?|Avenida|Plaza|Paseo|Carrer|Via|Viale|Piazza|Corso|Rua) {_LETTER}{{2,16}}(?: {_LETTER}{{1,16}}){{0,2}},? (?:n\.?º ?|nº ?)?\d{{1,4}}", 0.6, checks.has_capital_word, ("adresse", "dirección", "domicilio", "wohn", "anschrift"), 0.9,
        examples=("C/ Mayor 88", "Calle de Alcalá, 23", "Via Roma 12", "Avenida la Constitución nº 4"), counter_examples=("Via email 12", "Calle sin nombre"),
    ),
    Detector(
        "french-street", "ADDRESS", rf"\d{{1,4}}(?: bis| ter)?,? (?:rue|avenue|boulevard|bd|place|chemin|allée|impasse|quai|cours|route)(?: (?:de|du|des|la|le|les|aux?)){{0,2}}(?: (?:[dl]')?(?:[A-Z]|\xc3[\x80-\x9e]){_LETTER}{{1,20}}){{1,3}}(?:,? \d{{5}})?", 0.65, None, ("adresse", "domicile", "habite"), 0.9,
        examples=("12 rue de la Paix", "5 bis, avenue Foch, 75016"), counter_examples=("la rue",),
    ),
    Detector(
        "street-of-two-words", "ADDRESS", rf"(?:[A-Z]|[\xc3][\x84\x96\x9c]){_LETTER}{{2,20}}[ \-](?:Straße|Strasse|Str\.|Weg|Platz|Allee|Gasse|Ring|Damm|Ufer|Chaussee) \d{{1,4}}[a-z]?(?:,? \d{{4,5}})?", 0.7, None, ("adresse", "wohn", "anschrift"), 0.9,
        examples=("Villacher Strasse 89", "Kölner Straße 12, 50667", "Karl-Marx-Allee 3"), counter_examples=("Lange Straße",),
    ),
    Detector(
        "bitcoin", "CRYPTO", r"[13][1-9A-HJ-NP-Za-km-z]{25,34}|bc1[02-9ac-hj-np-z]{11,71}", 1.0, checks.bitcoin,
        examples=("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"), counter_examples=("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",),
    ),
    Detector(
        "ethereum", "CRYPTO", r"0x[0-9a-f]{40}", 0.95, caseless=True,
        examples=("0xde0B295669a9FD93d5F28D9Ec85E40f4cb697BAe",), counter_examples=("0xde0B",),
    ),
    Detector(
        "licence-plate", "LICENSE_PLATE", r"[A-Z]{1,3}[ \-]?(?:[A-Z]{1,2} )?\d{1,4}(?:[ \-]?[A-Z]{1,3})?|\d{1,3}[ \-]?[A-Z]{1,3}[ \-]?\d{1,4}", 0.03, checks.plate, ("plate", "registration", "vehicle", "car", "kennzeichen", "车牌", "matrícula", "immatriculation"), 0.86, "-.",
        examples=("license plate ABC-1234", "vehicle B-MW 1234"), counter_examples=("room A 12",),
    ),
    Detector(
        "cn-plate", "LICENSE_PLATE", r"(?:京|津|沪|渝|冀|豫|云|辽|黑|湘|皖|鲁|新|苏|浙|赣|鄂|桂|甘|晋|蒙|陕|吉|闽|贵|粤|青|藏|川|宁|琼)[A-Z](?:·| |-)?[A-Z0-9]{5,6}", 0.9,
        examples=("京A12345", "粤B·D12345"), counter_examples=("京12345",),
    ),
    Detector(
        "medical-record", "MEDICAL_RECORD_NUMBER", r"[a-z]{0,3}-?(?:\d{1,5}-\d{4,8}|\d{5,10})", 0.95, caseless=True,
        label=rf"(?:mrn|(?:medical|patient|hospital|health) (?:record|id|chart)?(?: ?(?:number|no\.?|#))?|hospital no\.?|chart (?:no\.?|number)|patient[_\-]?id|fallnummer|patientennummer|n° de dossier|病历号|病案号|住院号|门诊号){GLUE}?",
        examples=("MRN: 12345678", "病历号：0012345", "Hospital no.: 1234567", "patient_id=1234567", "MRN 84-22091"), counter_examples=("MRN pending",),
    ),
    Detector(
        "bank-account", "US_BANK_NUMBER", r"[A-Z]{1,4}\d{8,26}|\d{8,26}(?:[A-Z]{2})?", 0.04, None, _BANK, 0.6, "-.",
        examples=("account number 123456789012", "账号 6222021234567890", "bank account MTEH92247007947368"), counter_examples=("number 123456789012",),
    ),
    Detector(
        "bank-account-labelled", "US_BANK_NUMBER", r"\d{6,17}", 0.9, None, edges="-.", caseless=True, label=rf"(?:account|acct\.?|a/c)(?: ?(?:number|no\.?|nr\.?|num|#))?{GLUE}",
        examples=("account number 12345678", "Acct #123456789"), counter_examples=("account manager",),
    ),
    Detector(
        "bank-routing", "US_BANK_ROUTING", r"\d{9}", 0.1, checks.weighted(3, 7, 1, 3, 7, 1, 3, 7, 1, modulus=10), ("routing", "aba", "rtn"), 0.95, "-.",
        examples=("routing number 111000025",), counter_examples=("routing number 111000026",),
    ),
    Detector(
        "swift", "SWIFT_CODE", r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?", 0.1, checks.swift, ("swift", "bic"), 0.95,
        examples=("SWIFT DEUTDEFF", "BIC: UBSWCHZH80A"), counter_examples=("SWIFT TRANSFER",),
    ),
    Detector(
        "vin", "VEHICLE_ID", r"[A-HJ-NPR-Z0-9]{17}", 0.1, checks.has_digit, ("vin", "vehicle", "chassis", "车架号"), 0.95,
        examples=("VIN 1HGCM82633A004352",), counter_examples=("id 1HGCM82633A004352",),
    ),
    Detector(
        "imei", "IMEI", r"\d{2}[ \-]?\d{6}[ \-]?\d{6}[ \-]?\d", 0.1, stdnum("imei"), ("imei",), 1.0, "-.",
        examples=("IMEI 490154203237518",), counter_examples=("IMEI 490154203237517",),
    ),
    Detector(
        "jwt", "JWT", r"eyJ[A-Za-z0-9_\-]{8,2000}\.eyJ[A-Za-z0-9_\-]{8,4000}\.[A-Za-z0-9_\-]{10,1000}", 1.0,
        examples=("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",), counter_examples=("eyJhbGci",),
    ),
    Detector(
        "private-key", "PRIVATE_KEY", r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:-?[A-Za-z0-9+/=\s:,.()\\]){0,8000}-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----", 1.0,
        examples=(
            "-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n-----END PRIVATE KEY-----",
            '"-----BEGIN PRIVATE KEY-----\\nMC4CAQ==\\n-----END PRIVATE KEY-----\\n"',
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0F1E2D3C4B5A69780F1E2D3C4B5A6978\n\nMC4CAQ==\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\r\nVersion: GnuPG v2.2.40 (GNU/Linux)\r\n\r\nlQOYBF==\r\n=abcd\r\n-----END PGP PRIVATE KEY BLOCK-----",
        ),
        counter_examples=("-----BEGIN PUBLIC KEY-----",),
    ),
    Detector(
        "private-key-cut", "PRIVATE_KEY", r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:(?:\s|\\[nr]){1,4}[A-Za-z0-9+/]{20,80}={0,2}){1,100}", 0.95,
        examples=(
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp",
            '"-----BEGIN RSA PRIVATE KEY-----\\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3xfnygWyF\\nAoGBAPy3bY8fdpK06nwDKo6v1234567890ab',
        ),
        counter_examples=("-----BEGIN PRIVATE KEY-----\nstands before a key", "-----BEGIN PUBLIC KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp"),
    ),
    Detector(
        "aws-key", "CLOUD_CREDENTIAL", r"(?:AKIA|ASIA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA)[A-Z0-9]{16}", 1.0,
        examples=("AKIAIOSFODNN7EXAMPLE",), counter_examples=("AKIAIOSF",),
    ),
    Detector(
        "aws-secret", "CLOUD_CREDENTIAL", r"[A-Za-z0-9/+=]{40}", 0.97, caseless=True, label=rf"aws_?secret(?:_access)?_?key{IS_SECRET}",
        examples=("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",), counter_examples=("aws_secret_access_key = none",),
    ),
    Detector(
        "azure-key", "CLOUD_CREDENTIAL", r"[A-Za-z0-9+/=]{40,90}", 0.96, caseless=True, label=rf"(?:accountkey|sharedaccesskey){IS_SECRET}",
        examples=("AccountKey=" + "a1B2" * 21 + "a1==",), counter_examples=("AccountKey=none",),
    ),
    Detector(
        "cloud-key", "CLOUD_CREDENTIAL", r"AIza[A-Za-z0-9_\-]{35}|ya29\.[A-Za-z0-9_\-]{20,200}|GOCSPX-[A-Za-z0-9_\-]{20,60}|DefaultEndpointsProtocol=https?;[A-Za-z0-9=;./+\-]{20,300}", 1.0,
        examples=("AIzaSyA1234567890abcdefghijklmnopqrstuv",), counter_examples=("AIza",),
    ),
    Detector(
        "api-key", "API_KEY", r"gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}|sk-(?:proj-|ant-)?[A-Za-z0-9_\-]{20,200}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,100}|xox[abprs]-[A-Za-z0-9\-]{10,200}|glpat-[A-Za-z0-9_\-]{20,60}|hf_[A-Za-z0-9]{30,60}|npm_[A-Za-z0-9]{36}|bgk_[A-Za-z0-9\-]{12}_[A-Za-z0-9_\-]{43}|hvs\.[A-Za-z0-9_\-]{24,200}|rk_(?:live|test)_[A-Za-z0-9]{16,100}|xapp-[A-Za-z0-9\-]{10,200}|whsec_[A-Za-z0-9]{24,64}|pypi-[A-Za-z0-9_\-]{40,250}|dop_v1_[a-f0-9]{64}|shp(?:at|ss|ca|pa)_[a-fA-F0-9]{32}|sq0(?:atp|csp)-[A-Za-z0-9_\-]{22,43}|SK[0-9a-f]{32}|AC[0-9a-f]{32}|key-[0-9a-f]{32}|\d{8,10}:AA[A-Za-z0-9_\-]{33}|SG\.[A-Za-z0-9_\-]{22}\.[A-Za-z0-9_\-]{43}", 1.0,
        examples=("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "sk_test_4eC39HqLyjWDarjtT1zdp7dc"), counter_examples=("sk-short",),
    ),
    # A text that names its number ("my SSN is …") is believed without the check digits: a miswritten number still shows
    # most of the true one.
    Detector(
        "ssn-said", "US_SSN", r"\d{3}-\d{2}-\d{4}|\d{3} \d{2} \d{4}|\d{3}[ \-]\d{3}[ \-]\d{3}|\d{9,13}", 0.7, edges="-.", caseless=True, label=rf"{_SSN}{IS}",
        examples=("SSN 123-45-6789", "social security number: 123456789", "my SSN is 65945459306"), counter_examples=("123-45-6789", "SSN 12345-6789"),
    ),
    Detector(
        "nino-said", "UK_NINO", r"[a-z]{2} ?\d{2} ?\d{2} ?\d{2} ?[a-z]", 0.75, caseless=True, label=rf"(?:nino|national insurance|ni (?:number|no\.?)|{_SSN}){IS}",
        examples=("NI number QQ 12 34 56 C", "NINO: QQ123456C", "my SSN is ZZ 29 26 12 T"), counter_examples=("QQ 12 34 56 C",),
    ),
    Detector(
        "national-id-said", "NATIONAL_ID", r"[a-z]{0,4}\d{6,13}[a-z]{0,2}\d{0,2}|\d{6}[\-+]\d{3,5}[a-z]?|[a-z]{2}(?: ?\d{2}){3} [a-z]|\d{3}-\d{2}-\d{4}|\d{2,3}(?:[ .\-]\d{2,3}){2,3}(?:[ .\-]\d{1,2})?", 0.7, checks.six_digits, edges="-.", caseless=True,
        label=rf"(?:national (?:id|number|identity)|identity (?:card|number)|identification number|id[ \-]?(?:card|number|no\.?|nr\.?)|personal (?:id|number)|tax id|(?:personal)?ausweis(?:nummer|-?nr\.?)?|c(?:é|e)dula|codice fiscale|personnummer|curp|cnp|carte d'identité){IS}",
        examples=("national id: 4080129136405", "Ausweisnummer T220001293", "ID number 337 664 619", "national id is ZZ 88 22 65 T"), counter_examples=("order 4080129136405", "ID card holders 12345"),
    ),
    Detector(
        "vat-said", "VAT_NUMBER", r"[a-z]{2} ?[a-z]{0,2}\d(?:[ .\-]?\d|[a-z]){5,14}|gb(?:gd|ha)\d{3}|\d{9,12}", 0.7, edges="-.", caseless=True, label=rf"(?:vat|ust|tva|iva|btw|moms|nip)(?:[ \-]?(?:reg(?:istration)?\.?|id(?:ent)?\.?))?(?:-?(?:nr\.?|nummer))?{IS}",
        examples=("VAT number GB313 8210 94 601", "VAT no. 123456789", "USt-IdNr. DE123456789"), counter_examples=("DE123456789", "VAT is due by 2031"),
    ),
    Detector(
        "licence-plate-said", "LICENSE_PLATE", r"\d{0,3}[A-Z]{0,2}(?:[A-Z]|Ä|Ö|Ü)\d{0,3}(?:[ \-][A-Z0-9]{1,5}){1,2}|\d{1,4}[ \-]\d{0,3}[A-Z]{1,4}\d{0,4}(?:[ \-][A-Z0-9]{1,5})?|[A-Z]{3,4}-\d{3,4}|\d{2,3}-\d{4,5}[A-Z]?|\d{2}-\d{2}-[A-Z]{2}|\d{3}[ \-]\d{3,4}", 0.8, edges="-.",
        label=rf"(?i:(?:licen[cs]e|number|registration) ?plate|plate|kennzeichen|immatriculation|matr(?:í|i)cula|targa|nummerplaat|rendszám){IS}",
        examples=("the licence plate 8K AX549 was", "Kennzeichen GÜ-D-686", "license plate number: HWN-9F11", "number plate 566 014"), counter_examples=("8K AX549", "the plate was 5 mm thick"),
    ),
    *IDENTITY,
    *SECRETS,
)  # fmt: skip

EMAIL = next(number for number, detector in enumerate(DETECTORS) if detector.name == "email")
EMAIL_SPELT = next(number for number, detector in enumerate(DETECTORS) if detector.name == "email-spelt")
DOMAIN = next(number for number, detector in enumerate(DETECTORS) if detector.name == "domain")
CONTEXT_WORDS: tuple[str, ...] = tuple(sorted({word for detector in DETECTORS for word in detector.context}))
