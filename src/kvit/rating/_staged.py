"""The charges of a billing period in a temporary table, for a reader that works in sets.

`pg_temp.due_charge` has the columns of `ChargeInfo` under their names, and `place`: 0, 1, … in the
order of an invoice's lines. Its texts need not leave the database: what decides a document comes
back as columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection
from numpy.typing import NDArray
from pyarrow import csv

from kvit.core.columnar.runs import Rows
from kvit.platform.columns import copied
from kvit.platform.tenancy import current_tenant_id
from kvit.rating._taken_back import VOID

DUE = "pg_temp.due_charge"
_CREATE = """
    CREATE TEMP TABLE IF NOT EXISTS due_charge ON COMMIT DELETE ROWS AS
    SELECT 0::bigint AS place, {fields} FROM rating_charge WITH NO DATA
"""
_FILL = """
    INSERT INTO pg_temp.due_charge
    SELECT row_number() OVER (ORDER BY {order}) - 1, {fields}
    FROM rating_charge
    WHERE tenant_id = %s AND billed_in = %s AND customer_id = ANY(%s) AND reason <> %s
"""
# What is the same for nearly all charges comes once: `terms` numbers the different ones.
_READ = """
    COPY (SELECT place, customer_id, amount_minor, units <> 0, revision = 0,
                 ends_on - DATE '1970-01-01',
                 dense_rank() OVER (
                     ORDER BY seller_id, currency, service, basis, vat_code, vat_on) - 1
          FROM pg_temp.due_charge ORDER BY place) TO STDOUT (FORMAT csv)
"""
_TERMS = """
    SELECT DISTINCT seller_id, currency, service, basis, vat_code, vat_on FROM pg_temp.due_charge
    ORDER BY 1, 2, 3, 4, 5, 6
"""
_TYPES = {
    "place": pa.int64(),
    "customer": pa.string(),
    "amount": pa.int64(),
    "used": pa.string(),
    "first": pa.string(),
    "ends": pa.int64(),
    "terms": pa.int64(),
}


@dataclass(frozen=True, slots=True)
class ChargeTerms:
    """What decides the document and the tax of a charge."""

    seller_id: UUID
    currency: str
    service: str
    basis: str
    vat_code: str
    vat_on: date


@dataclass(frozen=True)
class DueColumns:
    """Charges in the order of an invoice's lines."""

    places: Rows  # their `place` in the staged table
    customers: list[UUID]
    customer: Rows  # places in `customers`
    amounts: Rows
    used: NDArray[np.bool_]  # whether it has units
    firsts: NDArray[np.bool_]  # whether it is the first of its stretch
    ends: Rows  # `ends_on` as days since 1970
    terms: list[ChargeTerms]
    term: Rows  # places in `terms`


def stage_due(billed_in: date, customer_ids: Sequence[UUID], order: Sequence[str],
              fields: Sequence[str]) -> None:  # fmt: skip
    """Fill the table with the charges of these payers, what a void took back left out."""
    named = ", ".join(fields)
    with connection.cursor() as cursor:
        cursor.execute(_CREATE.format(fields=named))
        cursor.execute(f"TRUNCATE {DUE}")
        cursor.execute(
            _FILL.format(order=", ".join(order), fields=named),
            [current_tenant_id(), billed_in, list(customer_ids), VOID],
        )


def due_columns() -> DueColumns:
    """Return what decides documents of the charges that stand in the table now."""
    with connection.cursor() as cursor:
        cursor.execute(_TERMS)
        terms = [ChargeTerms(*row) for row in cursor.fetchall()]
    table = _table(copied(_READ))
    coded = table["customer"].combine_chunks().dictionary_encode()
    return DueColumns(
        places=table["place"].to_numpy(),
        customers=[UUID(one) for one in coded.dictionary.to_pylist()],
        customer=coded.indices.to_numpy().astype(np.int64),
        amounts=table["amount"].to_numpy(),
        used=_truths(table["used"]),
        firsts=_truths(table["first"]),
        ends=table["ends"].to_numpy(),
        terms=terms,
        term=table["terms"].to_numpy(),
    )


def _table(data: bytes) -> pa.Table:
    if not data:
        return pa.schema(list(_TYPES.items())).empty_table()
    return csv.read_csv(
        pa.BufferReader(data),
        read_options=csv.ReadOptions(column_names=list(_TYPES)),
        convert_options=csv.ConvertOptions(column_types=_TYPES),
    )


def _truths(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.equal(column, "t").to_numpy()
    return found
