"""More rows of the table of detectors: identity, health and tax numbers of further countries."""

from __future__ import annotations

from governance.privacy.find.patterns import checks
from governance.privacy.find.patterns.checks import stdnum
from governance.privacy.find.patterns.detector import Detector

IDENTITY: tuple[Detector, ...] = (
    Detector(
        "kr-rrn", "KR_RRN", r"\d{2}[01]\d[0-3]\d-[1-8]\d{6}", 0.85, checks.kr_rrn, ("주민등록번호",), 1.0, "-.",
        digits=13, marks="-", examples=("860912-1302157",), counter_examples=("861312-1302157",),
    ),
    Detector(
        "jp-my-number", "JP_MY_NUMBER", r"\d{4}[ \-]?\d{4}[ \-]?\d{4}", 0.1, stdnum("jp.in_"), ("マイナンバー", "my number", "個人番号"), 1.0, "-.",
        examples=("マイナンバー 3245 3832 3640", "個人番号：324538323640"), counter_examples=("マイナンバー 324538323641",),
    ),
    Detector(
        "br-cnpj", "BR_CNPJ", r"\d{2}\.?\d{3}\.?\d{3}/\d{4}-\d{2}", 0.95, stdnum("br.cnpj"), edges="-.",
        digits=14, marks="/", examples=("68.275.217/0001-48",), counter_examples=("68.275.217/0001-49",),
    ),
    Detector(
        "br-cnpj-plain", "BR_CNPJ", r"\d{14}", 0.1, stdnum("br.cnpj"), ("cnpj",), 1.0, "-.",
        examples=("CNPJ 68275217000148",), counter_examples=("CNPJ 68275217000149", "order 68275217000148"),
    ),
    Detector(
        "ru-inn", "RU_INN", r"\d{12}|\d{10}", 0.1, stdnum("ru.inn"), ("инн", "ИНН", "inn"), 1.0, "-.",
        examples=("ИНН 776968204738",), counter_examples=("ИНН 776968204739", "order 776968204738"),
    ),
    Detector(
        "ru-snils", "RU_SNILS", r"\d{3}-\d{3}-\d{3}[ \-]\d{2}", 0.9, checks.snils, edges="-.",
        digits=11, marks="-", examples=("112-233-445 95",), counter_examples=("112-233-445 96",),
    ),
    Detector(
        "tr-identity", "TR_IDENTITY_NUMBER", r"[1-9]\d{10}", 0.45, stdnum("tr.tckimlik", checks.tr_identity), ("kimlik", "tckn", "tc no"), 1.0, "-.",
        digits=11, examples=("40261425532",), counter_examples=("40261425533",),
    ),
    Detector(
        "mx-curp", "MX_CURP", r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[A-Z0-9]\d", 0.95, stdnum("mx.curp"),
        examples=("GOML840517MDFNRR00",), counter_examples=("GOML840517MDFNRR01",),
    ),
    Detector(
        "mx-rfc", "MX_RFC", r"[A-Z&]{3,4}\d{6}[A-Z0-9]{3}", 0.1, stdnum("mx.rfc"), ("rfc",), 0.95,
        examples=("RFC GODE561231GR8",), counter_examples=("GODE561231GR8", "RFC GODE561331GR8"),
    ),
    Detector(
        "hk-identity", "HK_IDENTITY_CARD", r"[A-Z]{1,2}\d{6}\([0-9A]\)", 0.95, checks.hk_identity, digits=0,
        examples=("A123456(3)",), counter_examples=("A123456(4)",),
    ),
    Detector(
        "hk-identity-plain", "HK_IDENTITY_CARD", r"[A-Z]{1,2}\d{6}[0-9A]", 0.1, checks.hk_identity, ("hkid", "身份證", "身分證", "hong kong identity"), 0.95,
        examples=("HKID A1234563",), counter_examples=("HKID A1234564", "order A1234563"),
    ),
    Detector(
        "tw-identity", "TW_IDENTITY_NUMBER", r"[A-Z][1289]\d{8}", 0.7, checks.tw_identity, ("身分證", "統一編號"), 1.0,
        examples=("A123456789",), counter_examples=("A123456788",),
    ),
    Detector(
        "au-medicare", "AU_MEDICARE", r"[2-6]\d{3}[ \-]?\d{5}[ \-]?\d(?:[ /\-]?\d)?", 0.1, checks.medicare, ("medicare",), 1.0, "-.",
        examples=("Medicare 2950 95460 4", "medicare number 29509546041"), counter_examples=("Medicare 2950 95470 4", "order 2950954604"),
    ),
    Detector(
        "au-abn", "AU_ABN", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", 0.1, stdnum("au.abn"), ("abn", "australian business"), 1.0, "-.",
        examples=("ABN 51 824 753 556",), counter_examples=("ABN 51 824 753 557",),
    ),
    Detector(
        "in-gstin", "IN_GSTIN", r"[0-3]\d[A-Z]{5}\d{4}[A-Z][1-9A-Z]Z[0-9A-Z]", 0.95, stdnum("in_.gstin"),
        examples=("27AAPFU0939F1ZV",), counter_examples=("27AAPFU0939F1ZW",),
    ),
    Detector(
        "in-voter", "IN_VOTER_ID", r"[A-Z]{3}\d{7}", 0.1, stdnum("in_.epic"), ("epic", "voter", "elector"), 0.95,
        examples=("voter id WKH1186253",), counter_examples=("voter id WKH1186263", "WKH1186253"),
    ),
    Detector(
        "us-npi", "US_NPI", r"[12]\d{9}", 0.1, checks.npi, ("npi", "provider identifier"), 1.0, "-.",
        examples=("NPI 1234567893",), counter_examples=("NPI 1234567894", "order 1234567893"),
    ),
    Detector(
        "us-dea", "US_DEA", r"[ABCDEFGHJKLMPRSTUX][A-Z9]\d{7}", 0.1, checks.dea, ("dea",), 0.95,
        examples=("DEA BB1388568",), counter_examples=("DEA BB1388569", "BB1388568"),
    ),
    Detector(
        "ch-ahv", "CH_AHV", r"756\.?\d{4}\.?\d{4}\.?\d{2}", 0.95, stdnum("ch.ssn"), edges="-.",
        digits=13, examples=("756.9217.0769.09",), counter_examples=("756.9217.0769.08",),
    ),
    Detector(
        "ch-vat", "VAT_NUMBER", r"CHE[ \-]?\d{3}\.?\d{3}\.?\d{3}(?: ?(?:MWST|TVA|IVA|TPV))?", 0.95, stdnum("ch.uid", checks.ch_uid),
        examples=("CHE-107.787.577 IVA", "CHE107787577"), counter_examples=("CHE107787578",),
    ),
    Detector(
        "gb-vat", "VAT_NUMBER", r"GB ?\d{3} ?\d{4} ?\d{2}(?: ?\d{3})?", 0.9, stdnum("gb.vat"),
        examples=("GB 980 7806 84",), counter_examples=("GB 980 7806 85",),
    ),
)  # fmt: skip
