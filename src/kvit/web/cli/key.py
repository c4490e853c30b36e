"""`kvit key`: keys of machines. The operator makes the first one; people make others on a page."""

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import Any

from kvit.core.wording import Words, say
from kvit.platform.failures import Failure
from kvit.web.called import typeable
from kvit.web.cli.bill import os_actor
from kvit.web.cli.company import add_tenant, in_company
from kvit.web.cli.language import either, language

WORDS: Words = {
    "made": (
        "Ключ «{name}» компании {company}, права: {rights}.\nОба секрета показаны один раз:\n"
        "  ключ     {secret}\n  подпись  {signing}",
        "The key “{name}” of {company}, rights: {rights}.\nBoth secrets are shown once:\n"
        "  key      {secret}\n  signing  {signing}",
    ),
    "all": ("все", "all"),
    "none": (
        "Ключей нет. Новый: kvit key new ИМЯ",
        "There are no keys. A new one: kvit key new NAME",
    ),
    "open": ("открыт", "open"),
    "closed": ("отозван", "revoked"),
    "revoked": ("Ключ {shown} отозван.", "The key {shown} is revoked."),
    "unknown": ("Ключа {shown} у компании нет.", "The company has no key {shown}."),
    "name": ("назовите ключ", "name the key"),
}  # fmt: skip


class NoKey(Failure):
    """The company has no such key."""

    words = WORDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        choices=("new", "list", "revoke"),
        help=either(
            "new: выпустить; list: показать все; revoke: отозвать",
            "new: make one; list: show all; revoke: close one",
        ),
    )
    parser.add_argument(
        "name", nargs="?", default="",
        help=either("имя нового ключа; начало отзываемого (kvit_1a2b3c)",
                    "a new key's name; the beginning of the one to revoke (kvit_1a2b3c)"),
    )  # fmt: skip
    parser.add_argument(
        "--right", action="append", default=[], metavar="RIGHT",
        help=either("право (можно несколько раз; без них все)",
                    "a right (may be repeated; none: all of them)"),
    )  # fmt: skip
    parser.add_argument("--reason", default="", help=either("почему", "why"))
    add_tenant(parser)


def run(args: argparse.Namespace) -> int:
    if args.what != "list" and not args.name:
        print(f"kvit key: {say(WORDS, 'name', language())}", file=sys.stderr)
        return 2
    with in_company(args.tenant, origin="kvit key") as (tenant, _):
        done = {"new": _new, "list": _list, "revoke": _revoke}[args.what]
        told, text = done(args, tenant.row.code)
    print(json.dumps(told, ensure_ascii=False) if args.json else typeable(text))
    return 0


def _new(args: argparse.Namespace, company: str) -> tuple[dict[str, Any], str]:
    from kvit.parties.rights import RIGHTS
    from kvit.parties.services import create_key

    made = create_key(
        name=args.name[:120],
        rights=args.right or list(RIGHTS),
        granter=frozenset(RIGHTS),
        actor=os_actor(),
        now=datetime.now(UTC),
        reason=args.reason,
    )
    rights = ", ".join(args.right) or say(WORDS, "all", language())
    text = say(
        WORDS, "made", language(), name=made.row.name, company=company, rights=rights,
        secret=made.key, signing=made.signing_secret,
    )  # fmt: skip
    return {
        "name": made.row.name,
        "key": made.key,
        "signing_secret": made.signing_secret,
        "rights": list(made.row.rights),
    }, text


def _list(args: argparse.Namespace, company: str) -> tuple[dict[str, Any], str]:
    from kvit.parties import queries

    rows = [queries.key_row(one) for one in queries.keys().order_by("-made_at")]
    told = [
        {"name": row.name, "key": row.shown, "is_revoked": row.revoked_at is not None,
         "rights": list(row.rights)}
        for row in rows
    ]  # fmt: skip
    if not rows:
        return {"keys": []}, say(WORDS, "none", language())
    states = [say(WORDS, "closed" if row.revoked_at else "open", language()) for row in rows]
    lines = [
        f"{row.shown}  {state:<8}  {row.name}" for row, state in zip(rows, states, strict=True)
    ]
    return {"keys": told}, "\n".join(lines)


def _revoke(args: argparse.Namespace, company: str) -> tuple[dict[str, Any], str]:
    from kvit.parties import queries
    from kvit.parties.services import revoke_key

    prefix = args.name.removeprefix("kvit_").split("_")[0]
    found = queries.keys().filter(prefix=prefix).first()
    if found is None:
        raise NoKey("unknown", shown=args.name[:40])
    row = revoke_key(found.pk, actor=os_actor(), now=datetime.now(UTC), reason=args.reason)
    return {"revoked": row.shown}, say(WORDS, "revoked", language(), shown=row.shown)
