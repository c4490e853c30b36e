"""Secrets that are kept sealed."""

import pytest
from django.conf import settings
from django.test import override_settings

from kvit.platform.sealed import Unreadable, open_sealed, seal


def test_what_was_sealed_is_opened_for_its_purpose_alone() -> None:
    sealed = seal("секрет", purpose="webhook")
    assert open_sealed(sealed, purpose="webhook") == "секрет"
    assert sealed != seal("секрет", purpose="webhook")
    with pytest.raises(Unreadable):
        open_sealed(sealed, purpose="session")


def test_a_key_of_before_still_opens_and_a_stranger_does_not() -> None:
    sealed = seal("x", purpose="webhook")
    with override_settings(SECRET_KEY="another"), pytest.raises(Unreadable):
        open_sealed(sealed, purpose="webhook")
    with override_settings(SECRET_KEY="another", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert open_sealed(sealed, purpose="webhook") == "x"


@pytest.mark.parametrize("text", ["", "x", "AAAA", "не то", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"])
def test_what_was_never_sealed_is_told_as_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        open_sealed(text, purpose="webhook")
