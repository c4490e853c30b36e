"""Every variable that an operator may set: type, default, secrecy, meaning. Said here alone.

`kvit settings` prints the table, docs/reference/settings.md is generated from it.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from kvit.platform.failures import Failure

PREFIX = "KVIT_"
MOST_DAYS = 36_500  # of a term: a hundred years
WORDS = {
    "setting_wrong": ("Настройка {name}: {reason}", "Setting {name}: {reason}"),
}


class SettingWrong(Failure):
    """A variable has a value that cannot be used."""

    words = WORDS


def default_data() -> Path:
    """Return .kvit in a checkout that we may write to, else the user's data folder."""
    checkout = Path(__file__).resolve().parents[3]
    if (checkout / "pyproject.toml").is_file() and (checkout / "kvit").is_file():
        inside = checkout / ".kvit"
        if os.access(inside if inside.exists() else checkout, os.W_OK | os.X_OK):
            return inside
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/kvit"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "kvit"


def _setting(russian: str, english: str, default: Any = ..., **options: Any) -> Any:
    if "default_factory" not in options:
        options["default"] = default
    return Field(description=english, json_schema_extra={"ru": russian}, **options)


class Settings(BaseSettings):
    """The table. The variable of a field has the prefix KVIT_, or is its alias."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True
    )

    data: Path = _setting(
        "папка данных: встроенная база, документы, пароли; по умолчанию .kvit в рабочей копии"
        " или папка данных пользователя",
        "the data folder: embedded database, documents, passwords; by default .kvit in a checkout,"
        " else the user's data folder",
        default_factory=default_data,
    )
    database_url: SecretStr | None = _setting(
        "своя PostgreSQL 15 или новее, вход под ролью kvit_app; без неё работает встроенная",
        "a PostgreSQL of your own, 15 or newer, as the role kvit_app; without it the embedded one"
        " is used",
        None,
        validation_alias="DATABASE_URL",
    )
    owner_database_url: SecretStr | None = _setting(
        "та же база под ролью kvit_owner: для миграций и резервных копий",
        "the same database as the role kvit_owner: for migrations and backups",
        None,
    )
    durability: Literal["safe", "test"] = _setting(
        "safe: отказ работать, если сервер может потерять записанное; test: только для пробных баз",
        "safe: refuse a server that may lose what was committed; test: for scratch databases only",
        "safe",
    )
    hosts: str = _setting(
        "имена, под которыми открывают страницы и API, через запятую",
        "names under which pages and the API are opened, separated by commas",
        "localhost,127.0.0.1,[::1]",
    )
    https: bool = _setting(
        "страницы стоят за TLS (X-Forwarded-Proto): защищённые cookie и HSTS",
        "the pages stand behind TLS (X-Forwarded-Proto): secure cookies and HSTS",
        False,
    )
    address: str = _setting(
        "адрес, по которому открывают страницы: он стоит в приглашениях и письмах",
        "the address under which the pages are opened: it stands in invitations and mails",
        "http://localhost:8000",
    )
    smtp_url: SecretStr | None = _setting(
        "почтовый сервер: smtp://имя:пароль@mail.example:587 (STARTTLS) или smtps://…:465; без него"
        " письма ложатся в папку mail данных",
        "the mail server: smtp://name:password@mail.example:587 (STARTTLS) or smtps://…:465;"
        " without it mails are put into the folder mail of the data",
        None,
    )
    mail_from: str = _setting("от чьего имени письма", "who mails are from", "kvit@localhost")
    linger_s: float = _setting(
        "сколько секунд встроенная база ждёт следующей команды, прежде чем остановиться",
        "seconds that the embedded database waits for a next command before it stops",
        60.0,
        ge=0,
    )
    statement_s: float = _setting(
        "сколько секунд страница или API ждёт одного запроса к базе, прежде чем прервать его;"
        " 0: без предела",
        "seconds that pages and API wait for one statement of the database before they break it"
        " off; 0: as long as it takes",
        60.0,
        ge=0,
    )
    rating_threads: int = _setting(
        "сколькими потоками процесс тарифицирует потребление; 0: по числу ядер",
        "threads by which a process rates usage; 0: as many as there are cores",
        0,
        ge=0,
    )
    lang: str | None = _setting(
        "язык сообщений; по умолчанию по LC_ALL, LC_MESSAGES, LANG",
        "the language of messages; by default from LC_ALL, LC_MESSAGES, LANG",
        None,
    )
    certificate_proxies: str = _setting(
        "сети прокси через запятую (10.0.0.5/32), которым верим отпечаток сертификата клиента в"
        " X-Client-Cert-Sha256; по умолчанию никому",
        "networks of proxies, comma-separated (10.0.0.5/32), that are believed the fingerprint of a"
        " client's certificate in X-Client-Cert-Sha256; by default nobody",
        "",
    )
    checkpoints: Path | None = _setting(
        "папка на другой машине (смонтированная), куда кладётся и каждая подписанная отметка"
        " журнала проводок: кто владеет базой, не должен иметь к ней доступа",
        "a folder on another machine (mounted) that gets every signed checkpoint of the log of"
        " postings as well: who owns the database must have no access to it",
        None,
    )
    api_burst: int = _setting(
        "сколько запросов подряд один ключ API (или один человек) делает без ожидания",
        "requests that one key of the API, or one person, makes at once",
        5_000,
        ge=1,
    )
    api_per_second: float = _setting(
        "сколько запросов в секунду один ключ API (или один человек) делает дальше; сверх того"
        " ответ 429. События шлите партиями: партия — один запрос",
        "requests a second that one key of the API, or one person, goes on with; beyond, the answer"
        " is 429. Send events in batches: a batch is one request",
        500.0,
        gt=0,
    )
    keep_answers_days: int = _setting(
        "сколько дней помнить ответы на запросы с Idempotency-Key; после повтор — новый запрос",
        "days that answers to requests with an Idempotency-Key are kept; a repeat is new then",
        30,
        ge=1,
        le=MOST_DAYS,
    )
    keep_events_days: int = _setting(
        "сколько дней после конца месяца рассчитанные события остаются строками базы; потом они"
        " только в запечатанных файлах; 0 — остаются всегда",
        "days after a month's end that billed events stay rows of the database; then they are in"
        " sealed files alone; 0: they stay for ever",
        90,
        ge=0,
        le=MOST_DAYS,
    )
    keep_deliveries_days: int = _setting(
        "сколько дней хранить доставленные и недоставленные вебхуки с ответами на них",
        "days that webhooks, delivered or given up, are kept with what was answered",
        90,
        ge=1,
        le=MOST_DAYS,
    )
    webhooks_allow_private: bool = _setting(
        "только для проб на одной машине: вебхуки и по http, и на частные адреса",
        "for trials on one machine only: webhooks go by http and to private addresses too",
        False,
    )
    test_database_url: SecretStr | None = _setting(
        "для тестов: суперпользователь PostgreSQL 15 или новее, где тесты создают свои базы",
        "for tests: a superuser of a PostgreSQL 15 or newer, where tests make their databases",
        None,
    )
    test_screens: Path | None = _setting(
        "для тестов: папка, где остаётся картинка каждой страницы; её задаёт kvit screens",
        "for tests: a folder where a picture of each page is left; kvit screens sets it",
        None,
    )
    test_screens_cut: bool = _setting(
        "для тестов: картинка только того, что помещается на экран; её задаёт kvit screens --docs",
        "for tests: a picture of what a screen shows alone; kvit screens --docs sets it",
        False,
    )
    venv: Path | None = _setting(
        "читает ./kvit: где держать окружение Python вместо .venv",
        "read by ./kvit: where to keep the Python environment instead of .venv",
        None,
    )
    python: str | None = _setting(
        "читает ./kvit: каким Python создать окружение",
        "read by ./kvit: the Python to make the environment with",
        None,
    )
    called_as: str | None = _setting(
        "задаёт ./kvit: как его вызвали, чтобы подсказки можно было набрать как есть",
        "set by ./kvit: how it was called, so that hints can be typed as they stand",
        None,
    )

    @field_validator("certificate_proxies")
    @classmethod
    def _networks(cls, text: str) -> str:
        for one in filter(None, map(str.strip, text.split(","))):
            ip_network(one)  # a ValueError names the one that is none
        return text

    @field_validator("data")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().absolute()  # a socket's folder must be


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the printed table."""

    variable: str
    default: str | None
    secret: bool
    russian: str
    english: str
    value: str | None  # as it is now; "***" for a secret that is set


@cache
def load() -> Settings:
    """Read the environment, once a process.

    Raises:
        SettingWrong: a value does not fit; the first one found is named.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = str(first["loc"][0]) if first["loc"] else "?"
        raise SettingWrong("setting_wrong", name=variable(field), reason=first["msg"]) from None


def variable(field: str) -> str:
    """Return the environment variable of a field."""
    info = Settings.model_fields.get(field)
    alias = info.validation_alias if info else None
    return alias if isinstance(alias, str) else field if field.isupper() else PREFIX + field.upper()


def rows(settings: Settings | None = None) -> Iterator[Row]:
    """Yield the table; without `settings`, as documentation, where no value is shown."""
    for name, info in Settings.model_fields.items():
        extra = info.json_schema_extra
        value = getattr(settings, name) if settings else None
        yield Row(
            variable=variable(name),
            default=None if info.default is None or info.default_factory else str(info.default),
            secret="SecretStr" in str(info.annotation),
            russian=str(extra["ru"]) if isinstance(extra, dict) else "",
            english=info.description or "",
            value=None if value is None else "***" if isinstance(value, SecretStr) else str(value),
        )
