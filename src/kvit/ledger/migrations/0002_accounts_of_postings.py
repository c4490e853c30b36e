"""Both sides of a posting stand in its seller's chart.

By code and not by id: a posting reads by itself, and the code of an account that was posted to can
no longer change.
"""

from django.db import migrations


def _key(side: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"""
        ALTER TABLE ledger_posting ADD CONSTRAINT posting_{side}_in_chart
        FOREIGN KEY (tenant_id, seller_id, {side})
        REFERENCES ledger_account (tenant_id, seller_id, code)
        """,
        f"ALTER TABLE ledger_posting DROP CONSTRAINT posting_{side}_in_chart",
    )


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]

    operations = [_key("debit"), _key("credit")]
