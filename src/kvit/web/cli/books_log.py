"""`kvit books seal | key | proof | check | compare`: the signed log of postings.

`check` needs neither a database nor this installation: it is for whoever was handed a proof.
"""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kvit.core.transparency import ShownEntry, read_checkpoint, read_proof
from kvit.core.wording import Words, say
from kvit.ledger.rows import SIGNED
from kvit.platform.failures import Failure
from kvit.platform.signed_notes import opened, read_verifier
from kvit.web.cli.company import add_tenant, in_company, issued_document
from kvit.web.cli.language import either, language

if TYPE_CHECKING:
    from kvit.platform.row_log import RowLog

HOLDS, DIFFERS = 0, 1
WORDS: Words = {
    "sealed": (
        "Записано в журнал: {count} {count:plural:запись|записи|записей}. Отметка:",
        "Written to the log: {count} {count:plural:entry|entries}. The checkpoint:",
    ),
    "put_aside": (
        "Прежний журнал отложен в {folder}: храните его вместе с прежним ключом.",
        "The former log was put aside, into {folder}: keep it together with the former key.",
    ),
    "sealed_none": ("Записей ещё нет: подписывать нечего.", "There is nothing yet to be signed."),
    "proved": (
        "{path}: {debit} → {credit}, {amount_minor} {currency} в минорных единицах",
        "{path}: {debit} → {credit}, {amount_minor} {currency} in minor units",
    ),
    "checked": (
        "Проводка стоит в журнале {origin} под номером {index} из {size}: {source}, строка {line},"
        " дебет {debit}, кредит {credit}, {amount_minor} {currency} в минорных единицах, {day}.",
        "The posting stands in the log {origin} as number {index} of {size}: {source}, line {line},"
        " debit {debit}, credit {credit}, {amount_minor} {currency} in minor units, {day}.",
    ),
    "not_shown": (
        "Доказательство не сходится с отметкой: проводку или её место изменили.",
        "The proof does not lead to the checkpoint: the posting or its place was changed.",
    ),
    "agrees": (
        "Журнал начинается теми же {size} {size:plural:записью|записями|записями}.",
        "The log begins with the same {size} {size:plural:entry|entries}.",
    ),
    "differs": (
        "Журнал расходится с этой отметкой: в нём не те {size} записей или их меньше.",
        "The log differs from this checkpoint: it has other {size} entries, or fewer.",
    ),
    "log_file_unreadable": (
        "{path}: это не то, что нужно. Нужен файл, который напечатала {made_by}.",
        "{path} is not what is needed: the file that {made_by} made.",
    ),
}


class Unreadable(Failure):
    """A file is no checkpoint or no proof."""

    words = WORDS


class Done(NamedTuple):
    """What a command found: as text, as JSON, as an exit status."""

    text: str
    document: dict[str, Any]
    code: int = HOLDS


def add_arguments(reports: Any) -> None:
    """Add the commands to those of `kvit books`."""

    def add(name: str, russian: str, english: str) -> argparse.ArgumentParser:
        text = either(russian, english)
        parser: argparse.ArgumentParser = reports.add_parser(name, help=text, description=text)
        parser.set_defaults(log=COMMANDS[name])
        return parser

    seal = add("seal", "записать проводки в журнал и подписать", "log the postings and sign them")
    seal.add_argument("--anew", action="store_true",
                      help=either("начать журнал заново, если прежний подписан другим ключом или"
                                  " повреждён: прежний откладывается рядом",
                                  "begin the log anew where the former one was signed by another"
                                  " key or is damaged: that one is put aside"))  # fmt: skip
    seal.add_argument(
        "--reason",
        default="",
        metavar="TEXT",
        help=either("почему, для журнала действий", "why, for the journal"),
    )
    key = add("key", "ключ, которым проверяют подписи", "the key that checks the signatures")
    proof = add("proof", "доказательства проводок документа", "proofs of a document's postings")
    proof.add_argument("number", metavar="NUMBER", help=either("номер документа", "its number"))
    proof.add_argument("--out", type=Path, default=Path(), metavar="DIR",
                       help=either("куда положить файлы", "where to put the files"))  # fmt: skip
    check = add("check", "проверить доказательство; база не нужна", "check a proof, no database")
    compare = add("compare", "сравнить журнал с отметкой, которая хранилась отдельно",
                  "compare the log with a checkpoint that was kept elsewhere")  # fmt: skip
    for one in (check, compare):
        one.add_argument("file", type=Path, metavar="FILE")
    check.add_argument("--key", required=True,
                       help=either("ключ от kvit books key", "the key of kvit books key")
                       )  # fmt: skip
    check.add_argument("--json", action="store_true", help=either("объект JSON", "a JSON object"))
    for one in (seal, key, compare):
        one.add_argument("--journal", action="store_true",
                         help=either("журнал действий, а не проводок",
                                     "the journal of actions, not the postings"))  # fmt: skip
    for one in (seal, key, proof, compare):
        add_tenant(one)


def run(args: argparse.Namespace) -> int:
    """Do it, and print what came of it."""
    done: Done = args.log(args)
    print(json.dumps(done.document, ensure_ascii=False) if args.json else done.text)
    return done.code


def _seal(args: argparse.Namespace) -> Done:
    with in_company(args.tenant, origin="kvit books seal"):
        from kvit.platform import settings

        rows, beside = _rows(args), settings.load().checkpoints
        aside = _begin_anew(rows, beside, args.reason) if args.anew else None
        count = rows.append(beside=beside)
        note = rows.log().note()
    told = {"logged": count, "checkpoint": note}
    told |= {"put_aside": str(aside)} if aside else {}
    said = [say(WORDS, "put_aside", language(), folder=aside)] if aside else []
    if note is None:
        return Done("\n".join([*said, say(WORDS, "sealed_none", language())]), told)
    head = say(WORDS, "sealed", language(), count=count)
    return Done("\n".join([*said, head, note.rstrip()]), told)


def _begin_anew(rows: "RowLog", beside: Path | None, reason: str) -> Path:
    """Put the log aside, and say in the journal who did and why."""
    from django.db import transaction

    from kvit.platform import audit
    from kvit.web.cli.bill import os_actor

    now = datetime.now(UTC)
    aside = rows.begin_anew(beside=beside, now=now)
    with transaction.atomic():
        audit.record(
            action="signed_log.begun_anew", object_type="platform.signed_log", object_id=rows.name,
            after={"former": aside.name}, actor=os_actor(), now=now, reason=reason,
        )  # fmt: skip
    return aside


def _key(args: argparse.Namespace) -> Done:
    with in_company(args.tenant, origin="kvit books key"):
        key = str(_rows(args).log().signer.verifier)
    return Done(key, {"key": key})


def _proof(args: argparse.Namespace) -> Done:
    with in_company(args.tenant, origin="kvit books proof"):
        from kvit.ledger import queries

        proofs = queries.proofs_of(f"invoice:{issued_document(args.number).id}")
    args.out.mkdir(parents=True, exist_ok=True)
    name = "".join(one if one.isalnum() or one in "-_" else "-" for one in args.number)
    lines, paths = [], []
    for line, one in enumerate(proofs, 1):
        paths.append(args.out / f"{name}-{line}.tlog-proof")
        paths[-1].write_text(one.text, encoding="utf-8")
        lines.append(say(WORDS, "proved", language(), path=paths[-1], **_told(one)))
    return Done("\n".join(lines), {"files": [str(one) for one in paths]})


def _check(args: argparse.Namespace) -> Done:
    verifier = read_verifier(args.key)
    with _reading(args.file, "kvit books proof") as text:
        shown = read_proof(text)
        told = _told(shown)
        checkpoint = read_checkpoint(opened(shown.note, verifier))
    holds = shown.is_shown(checkpoint) and checkpoint.origin == verifier.name
    document = {"holds": holds, "index": shown.index, "size": checkpoint.size, "posting": told}
    if not holds:
        return Done(say(WORDS, "not_shown", language()), document, DIFFERS)
    text = say(WORDS, "checked", language(), origin=checkpoint.origin, index=shown.index + 1,
               size=checkpoint.size, day=told["effective_on"], **told)  # fmt: skip
    return Done(text, document)


def _compare(args: argparse.Namespace) -> Done:
    with in_company(args.tenant, origin="kvit books compare"):
        rows = _rows(args)
        with _reading(args.file, "kvit books seal") as note:
            size = rows.log().read(note).size
            agrees = rows.agrees(note)
    text = say(WORDS, "agrees" if agrees else "differs", language(), size=size)
    return Done(text, {"agrees": agrees, "size": size}, HOLDS if agrees else DIFFERS)


def _rows(args: argparse.Namespace) -> "RowLog":
    """Return which rows are meant."""
    from kvit.ledger.queries import BOOKS
    from kvit.platform.audit_signed import JOURNAL

    return JOURNAL if args.journal else BOOKS


@contextmanager
def _reading(path: Path, made_by: str) -> Iterator[str]:
    """Yield a file's text; what cannot be made of it in the block is told with the file."""
    try:
        yield path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise Unreadable("log_file_unreadable", path=path, made_by=made_by) from None


def _told(shown: ShownEntry) -> dict[str, Any]:
    """Return what an entry says.

    Raises:
        ValueError: it is no posting.
    """
    said = json.loads(shown.entry)
    if not isinstance(said, list) or len(said) != len(SIGNED) + 1:
        raise ValueError("the entry is no posting")
    return dict(zip(SIGNED, said[1:], strict=True))


COMMANDS = {"seal": _seal, "key": _key, "proof": _proof, "check": _check, "compare": _compare}
