"""Sums of postings that are kept: by day and pair of accounts, and what each customer owes.

A statement-level trigger keeps them in the transaction that posts. Of a day it adds a row and
changes none, so two who post never wait for each other there. What customers owe is changed in
place, in the order of customers: two who post to the same ones take turns, and never in a ring.
`ledger.problems` compares both with the postings.
"""

from django.db import migrations, models

import kvit.platform.tenancy

NOBODY = "00000000-0000-0000-0000-000000000000"
_TURNOVERS = """
  INSERT INTO ledger_dayturnover (tenant_id, seller_id, effective_on, debit, credit, currency,
                                  origin, postings, amount_minor)
  SELECT tenant_id, seller_id, effective_on, debit, credit, currency, split_part(source, ':', 1),
         count(*), sum(amount_minor)
  FROM {postings} GROUP BY 1, 2, 3, 4, 5, 6, 7;
"""
_CLAIMS = f"""
  INSERT INTO ledger_claim AS c (tenant_id, customer_id, seller_id, account, currency,
                                 balance_minor)
  SELECT p.tenant_id, coalesce(p.customer_id, '{NOBODY}'), p.seller_id, a.code, p.currency,
         sum(CASE a.code WHEN p.debit THEN p.amount_minor ELSE -p.amount_minor END)
  FROM {{postings}} p
  JOIN ledger_account a ON a.tenant_id = p.tenant_id AND a.seller_id = p.seller_id
                       AND a.code IN (p.debit, p.credit) AND a.role IN ('receivable', 'advance')
  GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
  ON CONFLICT (tenant_id, customer_id, seller_id, account, currency)
  DO UPDATE SET balance_minor = c.balance_minor + excluded.balance_minor;
"""
FORWARD = f"""
CREATE FUNCTION kvit_keep_sums_of_postings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  {_TURNOVERS.format(postings="added")}
  {_CLAIMS.format(postings="added")}
  RETURN NULL;
END $$;
{_TURNOVERS.format(postings="ledger_posting")}
{_CLAIMS.format(postings="ledger_posting")}
CREATE TRIGGER keep_sums AFTER INSERT ON ledger_posting
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION kvit_keep_sums_of_postings();
"""
BACKWARD = """
DROP TRIGGER keep_sums ON ledger_posting;
DROP FUNCTION kvit_keep_sums_of_postings();
"""


def _tenant() -> models.UUIDField:
    return models.UUIDField(default=kvit.platform.tenancy.current_tenant_id, editable=False)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0002_accounts_of_postings")]

    operations = [
        migrations.CreateModel(
            name="DayTurnover",
            fields=[
                ("tenant_id", _tenant()),
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("seller_id", models.UUIDField()),
                ("effective_on", models.DateField()),
                ("debit", models.CharField(db_collation="C", max_length=20)),
                ("credit", models.CharField(db_collation="C", max_length=20)),
                ("currency", models.CharField(max_length=3)),
                ("origin", models.CharField(max_length=120)),
                ("postings", models.BigIntegerField()),
                ("amount_minor", models.BigIntegerField()),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["tenant_id", "seller_id", "effective_on"], name="turnover_by_day"
                    )
                ]
            },
        ),
        migrations.CreateModel(
            name="Claim",
            fields=[
                ("tenant_id", _tenant()),
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("customer_id", models.UUIDField()),
                ("seller_id", models.UUIDField()),
                ("account", models.CharField(db_collation="C", max_length=20)),
                ("currency", models.CharField(max_length=3)),
                ("balance_minor", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=["tenant_id", "customer_id", "seller_id", "account", "currency"],
                        name="claim_once",
                    )
                ]
            },
        ),
        migrations.AddIndex(
            model_name="posting",
            index=models.Index(
                fields=["tenant_id", "effective_on", "id"], name="posting_by_day_and_id"
            ),
        ),
        migrations.RemoveIndex(model_name="posting", name="posting_by_day"),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
