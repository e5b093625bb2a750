"""Checks of matches: right and wrong checksums, and the same results as python-stdnum's."""

from importlib import import_module

import pytest

from governance.privacy.find.patterns import checks
from governance.privacy.find.patterns.detectors import DETECTORS


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (checks.iban, "DE89370400440532013000", "DE89370400440532013001"),
        (checks.credit_card, "6011111111111117", "6011111111111118"),
        (checks.nhs, "9434765919", "9434765910"),
        (checks.cn_resident_id, "11010519491231002X", "110105194912310020"),
        (checks.bitcoin, "1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "1BoatSLRHtKNngkdXEeobR76b53LETtpyU"),
    ],
)
def test_checks_accept_right_checksums_and_refuse_wrong_ones(check, good, bad):
    assert check(good) and not check(bad)


@pytest.mark.parametrize(
    ("check", "module", "size"),
    [
        ("pl-pesel", "pl.pesel", 11),
        ("br-cpf", "br.cpf", 11),
        ("de-tax-id", "de.idnr", 11),
        ("bank-routing", "us.rtn", 9),
        ("ca-sin", "ca.sin", 9),
        ("in-aadhaar-plain", "in_.aadhaar", 12),
    ],
)
def test_stdnum_refuses_the_same_numbers_with_and_without_a_first_check(check, module, size):
    ours = next(item.check for item in DETECTORS if item.name == check)
    library = import_module(f"stdnum.{module}").is_valid
    numbers = [f"{(7 + place * 78_125_000_003) % 10**size:0{size}}" for place in range(4000)]
    numbers += [number[:2] + "0512" + number[6:] for number in numbers]
    assert [ours(number) for number in numbers] == [library(number) for number in numbers]
    assert any(map(library, numbers))
