"""The rating contract as SQL: usage in, exact amounts out, on an engine that Kvit does not run.

    contract = Contract()
    price = contract.price(compile_price(parse_price(document)), kind="sum", value_scale=1000)
    for statement in (*dialect.settings, *dialect.tables(contract.rows()), *statements(dialect)):
        run(statement)

Six aggregations, one join of ranges on compiled price tables, one rounding. Integers throughout:
what is not proven to fit 128 bits, or no table prices, is left with a remark and rated by Kvit
itself. `conformance` says whether an engine keeps the contract (docs/howto/rate-on-an-engine.md).
"""

from kvit.adapters.rating_sql.dialects import DIALECTS, Dialect
from kvit.adapters.rating_sql.statements import AMOUNTS, statements
from kvit.adapters.rating_sql.tables import Contract, NotInContract

__all__ = ["AMOUNTS", "DIALECTS", "Contract", "Dialect", "NotInContract", "statements"]
