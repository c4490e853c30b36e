"""`kvit user`: people who log in. The operator of the installation invites the first owner."""

import argparse
import json
import sys
from typing import Any

from kvit.core.wording import Words, say
from kvit.platform.failures import Failure
from kvit.web.called import typeable
from kvit.web.cli.bill import os_actor
from kvit.web.cli.company import add_tenant, in_company
from kvit.web.cli.language import either, language

WORDS: Words = {
    "link": (
        "{email} — {role}. Пароль задают по ссылке, один раз и в течение трёх дней:\n  {link}\n"
        "При первом входе настраивают второй фактор.",
        "{email} — {role}. The password is set by this link, once and within three days:\n  {link}"
        "\nThe second factor is set up at the first login.",
    ),
    "added": (
        "{email} — {role}. Пароль у человека уже есть.",
        "{email} — {role}. The person has a password already.",
    ),
    "rescued": (
        "{email}: вторые факторы сняты, сеансы закончены. При следующем входе настраивают новый.",
        "{email}: the second factors are removed, the sessions ended. A new one is set up at the"
        " next login.",
    ),
    "none": ("В компании пока никого нет.", "Nobody is in the company yet."),
    "closed": ("закрыт", "closed"),
    "unknown": ("Учётной записи {email} в компании нет.", "{email} has no account in the company."),
    "email": ("назовите адрес", "name the address"),
}


class NoUser(Failure):
    """The company has no such member."""

    words = WORDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        choices=("add", "link", "list", "rescue"),
        help=either(
            "add: пригласить; link: новая ссылка для пароля; list: показать всех; rescue: снять"
            " вторые факторы, если телефон и коды потеряны",
            "add: invite; link: a new link for the password; list: show all; rescue: remove the"
            " second factors of who lost phone and codes",
        ),
    )
    parser.add_argument("email", nargs="?", default="", help=either("адрес почты", "an e-mail"))
    parser.add_argument("--role", default="owner", help=either("роль (owner)", "role (owner)"))
    parser.add_argument("--name", default="", help=either("имя человека", "the person's name"))
    parser.add_argument(
        "--branch", default="", metavar="CODE",
        help=either("только этот филиал", "of this branch alone"),
    )  # fmt: skip
    add_tenant(parser)


def run(args: argparse.Namespace) -> int:
    if args.what != "list" and not args.email:
        print(f"kvit user: {say(WORDS, 'email', language())}", file=sys.stderr)
        return 2
    with in_company(args.tenant, origin="kvit user"):
        told = {"add": _add, "link": _link, "list": _list, "rescue": _rescue}[args.what](args)
    if args.json:
        print(json.dumps(told["json"], ensure_ascii=False))
    else:
        print(typeable(told["text"]))
    return 0


def _add(args: argparse.Namespace) -> dict[str, Any]:
    from datetime import UTC, datetime

    from kvit.parties import services
    from kvit.parties.rights import ALL

    made = services.invite(
        email=args.email, name=args.name, role=args.role, branch=args.branch, granter=ALL,
        actor=os_actor(), now=datetime.now(UTC),
    )  # fmt: skip
    return _told(made.email, args.role)


def _link(args: argparse.Namespace) -> dict[str, Any]:
    email, roles = _member(args)
    return _told(email, roles, is_forced=True)


def _rescue(args: argparse.Namespace) -> dict[str, Any]:
    from django.contrib.auth import get_user_model

    from kvit.web.login.rescue import forget_factors

    email, _ = _member(args)
    count = forget_factors(get_user_model().objects.get(email=email))
    text = say(WORDS, "rescued", language(), email=email)
    return {"text": text, "json": {"email": email, "removed": count}}


def _member(args: argparse.Namespace) -> tuple[str, str]:
    from kvit.parties import queries

    email = args.email.strip().lower()
    found = next((one for one in queries.members() if one.email == email), None)
    if found is None:
        raise NoUser("unknown", email=email)
    return email, ", ".join(role for role, _ in found.held)


def _told(email: str, role: str, *, is_forced: bool = False) -> dict[str, Any]:
    from django.contrib.auth import get_user_model

    from kvit.web.login.links import password_link

    user = get_user_model().objects.get(email=email)
    lang = language()
    if user.has_usable_password() and not is_forced:
        text, link = say(WORDS, "added", lang, email=email, role=role), ""
    else:
        link = password_link(user)
        text = say(WORDS, "link", lang, email=email, role=role, link=link)
    return {"text": text, "json": {"email": email, "role": role, "link": link}}


def _list(args: argparse.Namespace) -> dict[str, Any]:
    from kvit.parties import queries

    lang = language()
    rows = queries.members()
    lines = [
        f"{one.email}  {', '.join(':'.join(filter(None, held)) for held in one.held)}"
        + ("" if one.is_active else f"  ({say(WORDS, 'closed', lang)})")
        for one in rows
    ]
    told = [{"email": one.email, "name": one.name, "roles": list(one.held)} for one in rows]
    return {"text": "\n".join(lines) or say(WORDS, "none", lang), "json": {"members": told}}
