"""Requisites: published numbers pass, every slip of one digit is caught, python-stdnum agrees."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.ru import inn as stdnum_inn
from stdnum.ru import ogrn as stdnum_ogrn

from kvit.core.requisites import (
    WORDS,
    BadRequisite,
    check_account,
    check_bik,
    check_correspondent,
    check_inn,
    check_kpp,
    check_ogrn,
)

SBER_BIK = "044525225"


def numbers(*lengths: int) -> st.SearchStrategy[str]:
    return st.sampled_from(lengths).flatmap(lambda n: st.text("0123456789", min_size=n, max_size=n))


def fault(check: Callable[..., str], *values: str) -> str:
    with pytest.raises(BadRequisite) as caught:
        check(*values)
    assert caught.value.code in WORDS
    return caught.value.code


def accepts(check: Callable[..., str], *values: str) -> bool:
    try:
        check(*values)
    except BadRequisite:
        return False
    return True


def test_published_numbers_pass_and_lose_their_spaces() -> None:
    assert check_inn(" 77 07 083893 ") == "7707083893"
    assert check_inn("500100732259") == "500100732259"
    assert check_ogrn("1027700132195") == "1027700132195"
    assert check_ogrn("304500116000157") == "304500116000157"
    assert check_kpp("773601001") == "773601001"
    assert check_kpp("9909AB001") == "9909AB001"
    assert check_bik(SBER_BIK) == SBER_BIK


def test_the_worked_examples_of_the_bank_of_russia() -> None:
    # Порядок расчёта контрольного ключа, 08.09.1997 № 515, приложение.
    assert check_correspondent("30101810800000000746", "049805000") == "30101810800000000746"
    assert check_account("40602810700000000025", "049805746") == "40602810700000000025"
    assert check_correspondent("30101810400000000225", SBER_BIK) == "30101810400000000225"


def test_an_account_at_the_bank_of_russia_is_reckoned_by_its_region() -> None:
    # БИК ending in 000, 001, 002: the prefix is 0 and the region's digits, here 005 and not 001.
    account = "40501810700000000025"
    assert check_account(account, "049805001") == account
    assert fault(check_account, account, "049805003") == "account_key"


@pytest.mark.parametrize(
    ("check", "values", "code"),
    [
        (check_inn, ("7707083894",), "inn_check_digit"),
        (check_inn, ("500100732258",), "inn_check_digit"),
        (check_inn, ("500100732249",), "inn_check_digit"),
        (check_inn, ("770708389",), "inn_shape"),
        (check_inn, ("",), "inn_shape"),
        (check_inn, ("77070838９3",), "inn_shape"),
        (check_kpp, ("77360100",), "kpp_shape"),
        (check_kpp, ("7736a1001",), "kpp_shape"),
        (check_ogrn, ("1027700132196",), "ogrn_check_digit"),
        (check_ogrn, ("304500116000158",), "ogrn_check_digit"),
        (check_ogrn, ("10277001321950",), "ogrn_shape"),
        (check_bik, ("144525225",), "bik_shape"),
        (check_bik, ("04452522",), "bik_shape"),
        (check_account, ("4060281070000000002", "049805746"), "account_shape"),
        (check_account, ("40602Z10700000000025", "049805746"), "account_shape"),
        (check_account, ("40602810700000000025", "049805747"), "account_key"),
        (check_account, ("40602810700000000025", "49805746"), "bik_shape"),
        (check_correspondent, ("40602810700000000025", "049805746"), "correspondent_shape"),
        (check_correspondent, ("30101810500000000225", SBER_BIK), "correspondent_key"),
    ],
)
def test_what_cannot_be_right_is_named(
    check: Callable[..., str], values: tuple[str, ...], code: str
) -> None:
    assert fault(check, *values) == code


def test_the_fault_bears_the_callers_field() -> None:
    with pytest.raises(BadRequisite, match="payer_inn: an INN has 10 digits") as caught:
        check_inn("1", "payer_inn")
    assert caught.value.field == "payer_inn"


@given(numbers(9, 10, 11, 12))
def test_python_stdnum_agrees_on_inn(value: str) -> None:
    assert accepts(check_inn, value) == stdnum_inn.is_valid(value)


@given(numbers(9, 10), st.data())
def test_one_ending_fits_each_inn_and_stdnum_names_the_same(stem: str, data: st.DataObject) -> None:
    length = len(stem) - 8  # of the check digits: one for a company, two for a person
    endings = [f"{stem}{n:0{length}}" for n in range(10**length)]
    found = [inn for inn in endings if accepts(check_inn, inn)]
    assert found == [inn for inn in endings if stdnum_inn.is_valid(inn)]
    assert len(found) == 1
    place = data.draw(st.integers(0, len(stem) - 1))
    slip = stem[:place] + str((int(stem[place]) + 1) % 10) + found[0][place + 1 :]
    assert accepts(check_inn, slip) == stdnum_inn.is_valid(slip)


@given(st.sampled_from("1235"), numbers(11, 13))
def test_python_stdnum_agrees_on_ogrn(first: str, rest: str) -> None:
    endings = [first + rest + last for last in "0123456789"]
    found = [ogrn for ogrn in endings if accepts(check_ogrn, ogrn)]
    assert len(found) == 1
    # stdnum also asks whether the region exists, so it may refuse what we accept, not inversely.
    assert [ogrn for ogrn in endings if stdnum_ogrn.is_valid(ogrn)] in ([], found)


@given(st.text("0123456789", min_size=19, max_size=19), st.integers(0, 19), st.integers(1, 9))
def test_one_wrong_digit_of_an_account_is_always_caught(rest: str, place: int, shift: int) -> None:
    account = next(
        candidate
        for key in "0123456789"
        if accepts(check_account, candidate := rest[:8] + key + rest[8:], SBER_BIK)
    )
    digit = str((int(account[place]) + shift) % 10)
    assert fault(check_account, account[:place] + digit + account[place + 1 :], SBER_BIK) == (
        "account_key"
    )
