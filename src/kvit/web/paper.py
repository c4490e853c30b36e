"""PDFs of issued documents: printed once, and laid out under names that a person can read.

The bytes lie in the store of files under their hash. Beside the store stands a folder that people
open, with the same files under their numbers:

    invoices/severny-kontur/2026-10/2026-00001.pdf
    invoices/severny-kontur/2026-10/2026-00001-act.pdf
"""

import errno
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

from kvit.documents import queries as documents
from kvit.documents import services
from kvit.documents.compose import compose
from kvit.documents.queries import Key
from kvit.documents.render import is_archival
from kvit.invoicing import queries as invoicing
from kvit.invoicing.rows import InvoiceInfo
from kvit.parties import queries as parties
from kvit.platform import files

ACT = "act"
CHUNK = 200  # documents composed at once
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]+')
_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS)


@dataclass(frozen=True, slots=True)
class Papers:
    """Where the documents of a period lie, by invoice id."""

    folder: Path
    pdfs: Mapping[UUID, Path]
    acts: Mapping[UUID, Path]
    boxed: frozenset[UUID] = frozenset()  # printed just now with boxes for letters of no typeface


@dataclass(frozen=True, slots=True)
class Sheet:
    """One printed document and the name that a person can read."""

    name: str
    content: bytes


def paper_of(invoice_id: UUID, kind: str, *, actor: str, now: datetime) -> Sheet | None:
    """Return a document's paper: the bytes that were kept, or printed now and kept from now on.

    None where the document is not issued, or has no such paper.
    """
    number = invoicing.numbers([invoice_id]).get(invoice_id)
    if not number:
        return None
    name = f"{_safe(number)}{'-act' if kind == ACT else ''}.pdf"
    if (invoice_id, kind) not in documents.rendered_hashes([invoice_id]):
        made = compose([invoice_id])
        if kind not in {known for _, known, _ in made}:
            return None
        services.render_many(made, actor=actor, now=now)
    return Sheet(name, services.document_bytes(invoice_id=invoice_id, kind=kind))


def print_documents(
    infos: Sequence[InvoiceInfo],
    period: str,
    *,
    actor: str,
    now: datetime,
    progress: Callable[[int, int], None],
) -> Papers:
    """Print what has no paper yet; a reprint is the same file.

    Args:
        infos: issued documents of one billing period, of the tenant in scope.
        period: the folder's name.
    """
    hashes = documents.rendered_hashes([one.id for one in infos])
    printed = {key for key, _ in hashes}
    missing = [one.id for one in infos if one.id not in printed]
    boxed: set[UUID] = set()
    for done, ids in enumerate(_chunks(missing)):
        progress(done * CHUNK, len(missing))
        made = services.render_many(compose(ids), actor=actor, now=now)
        boxed |= {key for (key, _), digest in made.items() if not is_archival(files.get(digest))}
        hashes |= made
    progress(len(missing), len(missing))
    folder = files.folder().parent / "invoices" / _safe(parties.tenant().row.code) / period
    return replace(_laid_out(infos, hashes, folder), boxed=frozenset(boxed))


def _chunks(ids: Sequence[UUID]) -> Iterable[Sequence[UUID]]:
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))


def _laid_out(infos: Sequence[InvoiceInfo], hashes: Mapping[Key, str], folder: Path) -> Papers:
    sellers = {one.id: one.row.code for one in parties.sellers().values()}
    numbers = {one.id: one for one in infos}
    pdfs: dict[UUID, Path] = {}
    acts: dict[UUID, Path] = {}
    if hashes:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for (invoice_id, kind), digest in hashes.items():
        info = numbers[invoice_id]
        name = _safe(info.number) + ("-act" if kind == ACT else "")
        path = _lay(files.path_of(digest), folder, name, _safe(sellers[info.seller_id], 30))
        (acts if kind == ACT else pdfs)[invoice_id] = path
    return Papers(folder, pdfs, acts)


def _lay(stored: Path, folder: Path, name: str, seller: str) -> Path:
    """Give a stored file its readable name. Two sellers may number alike: then theirs follows."""
    for path in (folder / f"{name}.pdf", folder / f"{name} ({seller}).pdf"):
        if not path.exists():
            _link(stored, path)
        if _is_same(stored, path):
            return path
    return stored


def _link(stored: Path, path: Path) -> None:
    """Link where the disk can, so that a million documents are not kept twice."""
    try:
        path.hardlink_to(stored)
    except (FileExistsError, FileNotFoundError):
        return  # a run beside this one was quicker; or lost from the store, which `verify` names
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        part = path.with_name(f".{uuid4().hex}")
        shutil.copyfile(stored, part)
        part.replace(path)
    path.chmod(0o400)  # one file under two names: an editor must not write into the store


def _is_same(stored: Path, path: Path) -> bool:
    if not (path.exists() and stored.exists()):
        return False
    return path.samefile(stored) or path.read_bytes() == stored.read_bytes()


def _safe(name: str, longest: int = 80) -> str:
    """Return a name that every file system takes, and that stays within its folder."""
    return _UNSAFE.sub("-", name).strip(" .")[:longest] or "-"
