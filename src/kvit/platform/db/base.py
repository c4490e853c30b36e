"""The connection that tells every transaction which tenant it works for.

The tenant is a context variable (entered by `kvit.platform.tenancy.tenant_scope`); before a
statement the connection issues `SET LOCAL app.tenant` if this transaction has not heard it yet.
Nothing is ever set on the session, so nothing can leak through a pool. A lone statement in
autocommit gets a small transaction of its own.

A process that people wait for sets how long a statement of a tenant may take (`break_off_after`):
one that cannot be afforded must not keep a thread, and the locks that it holds, for ever.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.backends.postgresql import base

from kvit.platform.db.schema import SchemaEditor

current_tenant: ContextVar[UUID | None] = ContextVar("current_tenant", default=None)
_UNKNOWN = "?"  # after a savepoint's rollback the database may hold an earlier tenant
_TELL = "select set_config('app.tenant', %s, true)"
_patience_ms: list[int] = []


def break_off_after(seconds: float) -> None:
    """Let the server break off each later statement of this process, within a tenant's scope, that
    takes longer (SQLSTATE 57014); 0 is as long as it takes."""
    _patience_ms[:] = [round(seconds * 1000)] if seconds else []


class DatabaseWrapper(base.DatabaseWrapper):
    """PostgreSQL with `SET LOCAL app.tenant` before the first statement that needs it."""

    SchemaEditorClass = SchemaEditor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._told = ""  # what this transaction has been told; "" is nothing
        self.execute_wrappers.append(self._execute_as_tenant)

    def sync_tenant(self) -> None:
        """Tell the open transaction its tenant; call it before work on the raw connection."""
        tenant = str(current_tenant.get() or "")
        if self._told != tenant and self.connection is not None:
            with self.wrap_database_errors:  # a lost server is Django's error here as everywhere
                if _patience_ms:
                    limited = f"{_TELL}, set_config('statement_timeout', %s, true)"
                    self.connection.execute(limited, [tenant, str(_patience_ms[0])])
                else:
                    self.connection.execute(_TELL, [tenant])
            self._told = tenant

    def _execute_as_tenant(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        if current_tenant.get() is None and not self._told:
            return execute(sql, params, many, context)
        if not self.in_atomic_block and self.get_autocommit():
            with transaction.atomic(using=self.alias):
                self.sync_tenant()
                return execute(sql, params, many, context)
        self.sync_tenant()
        return execute(sql, params, many, context)

    # SET LOCAL ends with the transaction and is undone with a savepoint: each of these forgets it.
    # A forgotten "" costs nothing, since an untold transaction has no tenant.

    def connect(self) -> None:
        self._told = ""
        super().connect()

    def _set_autocommit(self, autocommit: bool) -> None:
        super()._set_autocommit(autocommit)
        self._told = ""

    def _commit(self) -> Any:
        result = super()._commit()
        self._told = ""
        return result

    def _rollback(self) -> Any:
        result = super()._rollback()
        self._told = ""
        return result

    def _savepoint_rollback(self, sid: str) -> None:
        super()._savepoint_rollback(sid)
        self._told = _UNKNOWN
