"""Settings: one table, printed, documented, checked."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from kvit.platform import settings
from kvit.web.cli.settings import reference

ROOT = Path(__file__).resolve().parents[2]


def test_the_reference_page_is_in_step_with_the_table() -> None:
    page = (ROOT / "docs/reference/settings.md").read_text()
    assert page == reference(), "run: ./kvit settings --reference > docs/reference/settings.md"


def test_every_variable_that_the_sources_name_is_in_the_table() -> None:
    files = [ROOT / "kvit", *ROOT.glob("deploy/*.py"), *ROOT.glob("src/**/*.py")]
    text = "\n".join(path.read_text() for path in files)
    # `$KVIT_…` stands in an example for the shell of who reads it.
    named = set(re.findall(r"(?<!\$)\bKVIT_[A-Z_]+\b", text))
    assert named <= {row.variable for row in settings.rows()}


def test_every_setting_is_explained_in_both_languages() -> None:
    for row in settings.rows():
        assert re.search("[а-я]", row.russian), row.variable
        assert re.search("[a-z]", row.english), row.variable


def test_secrets_are_masked_wherever_settings_are_printed() -> None:
    secret = "postgresql://kvit_app:canary-7f3a@localhost/kvit"
    environment = {
        **os.environ,
        "DATABASE_URL": secret,
        "KVIT_OWNER_DATABASE_URL": secret,
        "KVIT_TEST_DATABASE_URL": secret,
    }
    for words in (["settings"], ["settings", "--json"], ["settings", "--reference"]):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "kvit", *words],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "canary" not in done.stdout + done.stderr
    printed = json.loads(
        subprocess.run(
            [sys.executable, "-P", "-m", "kvit", "settings", "--json"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    assert printed["DATABASE_URL"]["value"] == "***"


def test_addresses_with_passwords_are_secrets() -> None:
    secret = {row.variable for row in settings.rows() if row.secret}
    assert secret == {name for name in (row.variable for row in settings.rows()) if "URL" in name}


def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVIT_DURABILITY", "perhaps")
    settings.load.cache_clear()
    with pytest.raises(settings.SettingWrong) as refusal:
        settings.load()
    assert refusal.value.params["name"] == "KVIT_DURABILITY"
    settings.load.cache_clear()


def test_a_relative_data_folder_is_made_absolute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings.Settings(data=Path("here")).data == tmp_path / "here"


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    assert settings.Settings().database_url is None
    monkeypatch.setenv("DATABASE_URL", "postgresql://x/y")
    assert settings.Settings().database_url == SecretStr("postgresql://x/y")


def test_data_stay_in_the_checkout_where_it_can_be_written() -> None:
    expected = ROOT / ".kvit"
    if not os.access(ROOT, os.W_OK):
        pytest.skip("this checkout cannot be written")
    assert settings.default_data() == expected
