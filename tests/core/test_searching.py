"""What a person types finds what they mean: case forms, parts, phones, the other layout."""

import pytest

from kvit.core.searching import asked_for, keys_of, other_layout


def finds(typed: str, *texts: str, phone: str = "") -> bool:
    keys = keys_of(texts, phone=phone)
    return all(any(key.startswith(word) for key in keys) for word in asked_for(typed))


@pytest.mark.parametrize(
    "typed",
    ["Ромашка", "ромашке", "РОМАШКАМИ", "ром", "ооо ромашку", "«Ромашка»", "ромашки и лютика"],
)
def test_a_name_is_found_in_any_case_form(typed: str) -> None:
    assert finds(typed, "ООО «Ромашка и Лютик»")


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("северного", "ЗАО «Северный контур»"),
        ("контуру северному", "ЗАО «Северный контур»"),
        ("ивановым", "ИП Иванов Пётр"),
        ("петру", "ИП Иванов Пётр"),
        ("елкиной", "Ёлкина Анна"),
        ("Ёлкина", "Елкина Анна"),
        ("north", "North Wind Ltd"),
    ],
)
def test_endings_and_yo_do_not_matter(typed: str, name: str) -> None:
    assert finds(typed, name)


@pytest.mark.parametrize("typed", ["ромашка", "лютик ромашка", "7707", "x"])
def test_other_names_are_not_found(typed: str) -> None:
    assert not finds(typed, "ООО «Лютик»", "lutik-1")


@pytest.mark.parametrize(
    "typed",
    [
        "+7 999 123-45-67",
        "89991234567",
        "9991234567",
        "123-45-67",
        "4567",
        "7707083893",
        "nord-2041",
        "2041",
        "ivan@example.org",
        "ivan",
    ],
)
def test_codes_numbers_and_phones_are_found(typed: str) -> None:
    texts = ("NORD-2041-7", "ООО «Север»", "7707083893", "ivan@example.org")
    assert finds(typed, *texts, phone="+7 (999) 123-45-67")


def test_a_legal_form_alone_is_looked_for_as_it_is() -> None:
    assert asked_for("ооо") == ("ооо",)
    assert asked_for("ООО Ромашка") == ("ромашк",)
    assert asked_for("  ") == ()


def test_the_other_layout_gives_what_was_meant() -> None:
    assert other_layout("cxtn 118") == "счет 118"
    assert other_layout("hjvfirf") == "ромашка"
    assert other_layout("тщкер") == "north"
    assert other_layout(other_layout("Ёлка, North")) == "Ёлка, North"
