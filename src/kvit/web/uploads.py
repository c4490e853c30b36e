"""A usage file from the browser or the API: read by the folder's reader against what stands."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, TypeVar
from uuid import UUID

from kvit.adapters.folder.mapping import World
from kvit.adapters.folder.usage import UsageFile
from kvit.adapters.folder.usage_cells import cells_of, usage_file, write_row
from kvit.catalog import queries as catalog
from kvit.core.wording import Words
from kvit.integrations import services
from kvit.integrations.port import CustomerRow, MeterRow, Place, SubscriptionRow
from kvit.parties import queries as parties
from kvit.platform.failures import Failure
from kvit.subscriptions import queries as subscriptions

LARGEST = 32 * 2**20  # bytes: about half a million rows, ten seconds
WORDS: Words = {
    "upload_kind_unknown": (
        "Файл {name} здесь не читается: нужен .csv, .jsonl или .parquet, можно сжатый .gz.",
        "The file {name} is not read here: .csv, .jsonl or .parquet is wanted, maybe with .gz.",
    ),
    "upload_too_large": (
        "Файл больше {limit} МиБ. Разделите его или загрузите командой kvit bill из папки.",
        "The file is larger than {limit} MiB. Split it, or load it with kvit bill from a folder.",
    ),
    "upload_empty": ("Выберите файл: пустой ничего не скажет.", "Choose a file that is not empty."),
}
Row = TypeVar("Row")
HERE = Place("")


class UploadRefused(Failure):
    """The file is not taken; nothing was changed."""

    words = WORDS


class _OnDemand(Mapping[str, Row], Generic[Row]):
    """What stands, asked for code by code as a file mentions it."""

    def __init__(self, find: Callable[[str], Row | None]) -> None:
        self._find, self._known = find, dict[str, Row | None]()

    def __getitem__(self, code: str) -> Row:
        if code not in self._known:
            self._known[code] = self._find(code)
        found = self._known[code]
        if found is None:
            raise KeyError(code)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter([code for code, row in self._known.items() if row is not None])

    def __len__(self) -> int:
        return len(list(iter(self)))


def take(chunks: Iterator[bytes], *, name: str, source: str, actor: str, now: datetime) -> UUID:
    """Take a file in; return the upload's id.

    Args:
        source: the name within which its ids are unique; the file's own without its ending if "".

    Raises:
        UploadRefused: it is empty, too large, or of a kind that is not read.
    """
    with TemporaryDirectory(prefix="kvit-upload-") as folder:
        plain = Path(name.replace("\\", "/")).name
        # Whether it is packed is told by its own name, as of a file in a company's folder.
        path = Path(folder) / ("file.gz" if plain.lower().endswith(".gz") else "file")
        _write(path, chunks)
        file = _file(path, plain, source or plain.split(".", 1)[0])
        return services.take_upload(file, lambda rows: cells_of(file, rows), actor=actor, now=now)


def mend(row_id: UUID, cells: Mapping[str, str], *, source: str, actor: str, now: datetime) -> bool:
    """Read a faulty row anew as it was typed; return whether it was taken in.

    Raises:
        kvit.integrations.services.UploadRowRefused: see there.
    """
    with TemporaryDirectory(prefix="kvit-row-") as folder:
        path = Path(folder) / "row"

        def made(given: Mapping[str, str]) -> UsageFile:
            return _file(path, write_row(path, given), source)

        return services.mend_upload_row(row_id, cells, made, actor=actor, now=now)


def _write(path: Path, chunks: Iterator[bytes]) -> None:
    size = 0
    with path.open("wb") as out:
        for chunk in chunks:
            size += len(chunk)
            if size > LARGEST:
                raise UploadRefused("upload_too_large", limit=LARGEST // 2**20)
            out.write(chunk)
    if not size:
        raise UploadRefused("upload_empty")


def _file(path: Path, name: str, source: str) -> UsageFile:
    file = usage_file(path, name=name, source=source, world=_world())
    if file is None:
        raise UploadRefused("upload_kind_unknown", name=name[:200])
    return file


def _world() -> World:
    meters = {
        code: MeterRow(HERE, code, one.name, one.unit, one.aggregation, one.expression or "",
                       one.dimensions)
        for code, one in catalog.catalogue().meters.items()
    }  # fmt: skip
    return World(
        zone=parties.tenant().row.zone,
        meters=meters,
        customers=_OnDemand(_customer),
        subscriptions=_OnDemand(_subscription),
    )


def _customer(code: str) -> CustomerRow | None:
    found = parties.customers_by_code([code]).get(code)
    if found is None:
        return None
    kind: Any = found.row.kind
    return CustomerRow(HERE, code, found.row.name, kind, zone=found.zone)


def _subscription(code: str) -> SubscriptionRow | None:
    found = subscriptions.by_codes([code]).get(code)
    if found is None:
        return None
    owner = parties.customers_by_id([found.customer_id])[found.customer_id]
    return SubscriptionRow(HERE, code, owner.row.code, "", found.starts_on)
