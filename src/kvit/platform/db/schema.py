"""The schema editor: a table with `tenant_id` is born with its row-level security.

Everything happens inside the migration's own transaction, so no moment exists in which a tenant
table stands without its policy. What a model says, the table gets:

    has `tenant_id`          forced RLS with one policy, UNIQUE (tenant_id, id) when id is a UUID
    ForeignKey to such       FOREIGN KEY (tenant_id, x_id) REFERENCES t (tenant_id, id)
    bases include AppendOnly SELECT and INSERT for the application; changing rows is refused to all
    otherwise                SELECT, INSERT, UPDATE, DELETE for the application
"""

from typing import Any

from django.db import models
from django.db.backends.ddl_references import Statement
from django.db.backends.postgresql.schema import DatabaseSchemaEditor

from kvit.platform.db.roles import APP_ROLE

TENANT = "tenant_id"
# The scalar sub-select is evaluated once a statement, not once a row.
PREDICATE = "tenant_id = (SELECT nullif(current_setting('app.tenant', true), '')::uuid)"

REFUSE_CHANGE = """
CREATE OR REPLACE FUNCTION kvit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% on % is refused: its rows are corrected by new rows, never changed',
    TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$
"""


def is_tenant(model: type[models.Model]) -> bool:
    """Whether rows of `model` belong to a tenant."""
    return any(field.column == TENANT for field in model._meta.local_concrete_fields)


class SchemaEditor(DatabaseSchemaEditor):
    """Adds policies, composite keys and grants to what Django would create."""

    # None, so that a ForeignKey added later also goes through `_create_fk_sql`.
    sql_create_column_inline_fk = None

    def create_model(self, model: type[models.Model]) -> None:
        super().create_model(model)
        if not model._meta.managed or model._meta.proxy:
            return
        table = self.quote_name(model._meta.db_table)
        if is_tenant(model):
            self._protect_tenant_table(model, table)
        if getattr(model, "append_only", False):
            self.execute(REFUSE_CHANGE, None)  # no parameters: its % are its own
            self.execute(
                f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION kvit_refuse_change()"
            )
            self.execute(f"GRANT SELECT, INSERT ON {table} TO {APP_ROLE}")
        elif model._meta.app_label == "migrations":  # Django's own list of what was applied
            self.execute(f"GRANT SELECT ON {table} TO {APP_ROLE}")
        else:
            self.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {APP_ROLE}")

    def _protect_tenant_table(self, model: type[models.Model], table: str) -> None:
        self.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        self.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        self.execute(
            f"CREATE POLICY tenant ON {table} USING ({PREDICATE}) WITH CHECK ({PREDICATE})"
        )
        key = model._meta.pk
        if isinstance(key, models.UUIDField) and key.column != TENANT:
            self.execute(
                f"ALTER TABLE {table} ADD UNIQUE ({TENANT}, {self.quote_name(key.column)})"
            )

    def _create_fk_sql(self, model: type[models.Model], field: Any, suffix: str) -> Any:
        statement = super()._create_fk_sql(model, field, suffix)
        if isinstance(statement, Statement) and _is_composite(model, field):
            column = self.quote_name(field.column)
            target = self.quote_name(field.target_field.column)
            statement.template = (
                f"ALTER TABLE %(table)s ADD CONSTRAINT %(name)s FOREIGN KEY ({TENANT}, {column}) "
                f"REFERENCES %(to_table)s ({TENANT}, {target})%(deferrable)s"
            )
        return statement

    def _constraint_names(
        self,
        model: type[models.Model],
        column_names: list[str] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> list[str]:
        """Find a composite key too when Django looks for a foreign key by its one column."""
        names: list[str] = super()._constraint_names(model, column_names, *args, **kwargs)
        if kwargs.get("foreign_key") and column_names and not names and is_tenant(model):
            return super()._constraint_names(model, [TENANT, *column_names], *args, **kwargs)
        return names


def _is_composite(model: type[models.Model], field: Any) -> bool:
    return (
        is_tenant(model)
        and is_tenant(field.remote_field.model)
        and field.column != TENANT
        and field.target_field.primary_key
    )
