"""How a list of a million documents becomes a file, and what that takes.

    ./kvit bench export --invoices 1000000 [--customers 100000] [--keep DIR] [--only CSV]

Each file is asked for as a browser does, in a process of its own, and is kept on the disk as it
comes; the filling is that of `pages`, whose kept folder serves here too. Rows, and of documents
their sum, must be those of the foot of the list. The limit is PostgreSQL's own COPY of the columns
of invoices; the peer is the file written first: every row in memory, by the ORM.
"""

import argparse
import csv
import os
import tempfile
import zipfile
from collections.abc import Callable
from decimal import Decimal
from io import TextIOWrapper
from pathlib import Path
from time import perf_counter, process_time
from typing import IO, Any
from xml.etree import ElementTree

from measure import Line, Report, database_cpu_s, in_child, memory_mb, tell, workplace
from pages import TENANT, company, say

FILES = {
    "invoices, CSV": "/office/invoices/export/?tab=issued",
    "invoices, XLSX": "/office/invoices/export/?tab=issued&format=xlsx",
    "customers, CSV": "/office/customers/export/",
    "postings, CSV": "/office/ledger/postings/export/",
    "receivables, CSV": "/office/ledger/receivables/export/",
}
LIMIT, PEER = "COPY of the columns", "every row in memory"
COLUMNS = (
    "number_text", "issued_on", "customer_id", "period_start", "period_end", "total_minor",
    "currency", "status",
)  # fmt: skip
_CELL = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--invoices", type=int, default=100_000)
    parser.add_argument("--customers", type=int, default=0, help="a tenth of the invoices")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", default="", help="files whose name holds this")
    parser.add_argument("--keep", type=Path, help="a folder whose database stays and is used again")
    parser.add_argument("--child", default="")
    args = parser.parse_args()
    args.customers = args.customers or max(args.invoices // 10, 1)
    if args.child:
        tell(**_child(args))
        return
    words = ["--invoices", args.invoices, "--customers", args.customers, "--child"]
    sizes = {"invoices": args.invoices, "customers": args.customers}
    exact = "rows of each file, and Σ of documents, are those of the foot of its list"
    report = Report("export", sizes, exact)
    with workplace(args.keep):
        for name in (LIMIT, PEER, *FILES):
            if name == LIMIT or args.only in name:
                told = in_child(*words, name)
                line = Line(name, told["seconds"], told["rows"], "rows", told["own"], told["peak"])
                report.lines.append(line if name == LIMIT else line.compared(report.lines[0]))
                report.notes[name] = told["note"]
                say(f"{name}: {told['rows']:,} rows in {told['seconds']:.0f} s; {told['note']}")
    report.show(as_json=args.json)


def _child(args: argparse.Namespace) -> dict[str, Any]:
    from kvit.web.cli.ground import ready

    ready()
    client, _ = company(TENANT, args.invoices, args.customers, tell=say)
    if args.child in (LIMIT, PEER):
        return _measured(_copied if args.child == LIMIT else _at_once, "")
    address = FILES[args.child]
    client.get(address.replace("/export", ""))  # what is kept for a process is kept now
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        path = Path(file.name)
        told = _measured(lambda out: _sent(client, address, out), f"{path}")
        is_summed = "invoices" in address
        rows, whole = (_of_book if "xlsx" in address else _of_text)(path, is_summed)
    if is_summed:
        _compare(args.child, rows, whole)
    return told | {"rows": rows}


def _measured(write: Callable[[IO[bytes]], int], path: str) -> dict[str, Any]:
    before, memory, database = process_time(), memory_mb(), database_cpu_s()
    begun = perf_counter()
    with open(path, "wb") if path else tempfile.TemporaryFile() as out:
        rows = write(out)
        size = out.tell()
    seconds, own = perf_counter() - begun, process_time() - before
    note = (
        f"{size / 1e6:.0f} MB; memory {memory:.0f} MB before, {memory_mb():.0f} at most;"
        f" CPU {own:.1f} s here, {database_cpu_s() - database:.1f} s in PostgreSQL"
    )
    return {"seconds": seconds, "own": own, "rows": rows, "peak": memory_mb(), "note": note}


def _sent(client: Any, address: str, out: IO[bytes]) -> int:
    answer = client.get(address, headers={"accept-language": "en"})
    assert answer.status_code == 200, answer.status_code
    for part in answer.streaming_content:
        out.write(part)
    answer.close()
    return 0  # they are counted when the time is taken


def _of_text(path: Path, is_summed: bool) -> tuple[int, Decimal]:
    with path.open(encoding="utf-8-sig", newline="") as text:
        rows = csv.reader(text)
        heads, count, whole = next(rows), 0, Decimal(0)
        place = heads.index("Total") if is_summed else 0
        for row in rows:
            count += 1
            whole += Decimal(row[place]) if is_summed else 0
    return count, whole


def _of_book(path: Path, is_summed: bool) -> tuple[int, Decimal]:
    """The same of all the sheets of a workbook."""
    count, whole = 0, Decimal(0)
    with zipfile.ZipFile(path) as book:
        for name in book.namelist():
            if not name.startswith("xl/worksheets/"):
                continue
            column = ""
            for _, node in ElementTree.iterparse(TextIOWrapper(book.open(name), "utf-8")):
                if node.tag != f"{_CELL}row":
                    continue
                cells = {cell.get("r", "").rstrip("0123456789"): cell for cell in node}
                if node.get("r") == "1":
                    heads = {"".join(cell.itertext()): key for key, cell in cells.items()}
                    column = heads["Total"]
                else:
                    count += 1
                    whole += Decimal("".join(cells[column].itertext()))
                node.clear()
    return count, whole


def _compare(name: str, rows: int, whole: Decimal) -> None:
    """Stop unless a file of documents is what the foot of its list says."""
    from kvit.invoicing import queries
    from kvit.invoicing.queries import InvoiceFilter
    from kvit.parties import queries as parties
    from kvit.platform.tenancy import tenant_scope

    tenant = parties.tenant_by_code(TENANT)
    assert tenant is not None
    with tenant_scope(tenant.id):
        total = queries.totals(InvoiceFilter(tab="issued"))["issued"]
    assert rows == total.count, f"{name}: {rows} rows, {total.count} in the list"
    assert whole == Decimal(total.sums["RUB"]) / 100, f"{name}: {whole} of {total.sums}"


def _copied(out: IO[bytes]) -> int:
    from django.db import connection, transaction

    from kvit.parties import queries as parties
    from kvit.platform.tenancy import tenant_scope

    tenant = parties.tenant_by_code(TENANT)
    assert tenant is not None
    with tenant_scope(tenant.id), transaction.atomic(), connection.cursor() as cursor:
        connection.sync_tenant()  # type: ignore[attr-defined]
        names = ", ".join(COLUMNS)
        question = f"SELECT {names} FROM invoicing_invoice ORDER BY issued_on DESC, id DESC"
        with cursor.copy(f"COPY ({question}) TO STDOUT (FORMAT csv)") as copy:
            for part in copy:
                out.write(part)
        return int(cursor.rowcount)


def _at_once(out: IO[bytes]) -> int:
    from kvit.invoicing.models import Invoice
    from kvit.parties import queries as parties
    from kvit.parties.models import Customer
    from kvit.platform.tenancy import tenant_scope

    tenant = parties.tenant_by_code(TENANT)
    assert tenant is not None
    with tenant_scope(tenant.id):
        known = {one.id: one for one in Customer.objects.all()}
        found = list(Invoice.objects.order_by("-issued_on", "-id"))
    text = TextIOWrapper(out, "utf-8", newline="")
    writer = csv.writer(text)
    for one in found:
        who = known[one.customer_id]
        writer.writerow([getattr(one, name) for name in COLUMNS] + [who.name, who.inn])
    text.detach()  # which writes the rest
    return len(found)


if __name__ == "__main__":
    os.environ.setdefault("KVIT_LANG", "en")
    main()
