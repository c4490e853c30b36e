"""What takes turns in a tenant's usage, by name; held until the transaction ends."""

from django.db import connection

from kvit.platform.tenancy import current_tenant_id


def hold(name: str, *, shared: bool = False) -> None:
    """Wait for a name, and hold it: alone, or with others who hold it `shared`."""
    lock = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {lock}(hashtextextended(%s, 0))", [name])


def hold_source(source: str, *, shared: bool = False) -> bool:
    """Wait for a source, and hold it; return whether events have left the table.

    Streams of one source take turns: unordered keys of two of them would deadlock. And none of its
    events leaves the table meanwhile. Two statements of one string: the second sees what was
    committed while the first waited.

    Args:
        shared: beside others who take in few events, ordered by their ids.
    """
    lock = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT {lock}(hashtextextended(%s, 0));
            SELECT EXISTS (SELECT FROM metering_releasedseal WHERE tenant_id = %s)
            """,
            [source_lock(source), current_tenant_id()],
        )
        cursor.nextset()
        left: bool = cursor.fetchone()[0]
    return left


def source_lock(source: str) -> str:
    """Of who takes in events of a source, undoes them or moves them."""
    return f"metering:{current_tenant_id()}:{source}"


def seal_lock() -> str:
    """Of who seals, and marks what is to leave the table."""
    return f"metering-seal:{current_tenant_id()}"


def releasing_lock() -> str:
    """Of who moves a chunk of rows between the table and segments."""
    return f"metering-releasing:{current_tenant_id()}"


def moving_lock() -> str:
    """Of who moves rows, against those who ask for events while some are on their way."""
    return f"metering-moving:{current_tenant_id()}"
