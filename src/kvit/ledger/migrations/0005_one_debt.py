"""One row a customer and currency: what they owe on all claim accounts together.

A row for each account, and an index by debt, made a posting three times as dear. Of a hundred
thousand such rows the largest are found in a scan; an account's part is the whole less the others.
Nothing indexed changes when a debt does, and room is left beside each row: an update stays on its
page.
"""

from django.db import migrations, models

NOBODY = "00000000-0000-0000-0000-000000000000"
FORWARD = f"""
DELETE FROM ledger_claim WHERE account <> '';
ALTER TABLE ledger_claim SET (fillfactor = 60);

CREATE OR REPLACE FUNCTION kvit_keep_sums_of_postings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ledger_dayturnover (tenant_id, seller_id, effective_on, debit, credit, currency,
                                  origin, postings, amount_minor)
  SELECT tenant_id, seller_id, effective_on, debit, credit, currency, split_part(source, ':', 1),
         count(*), sum(amount_minor)
  FROM added GROUP BY 1, 2, 3, 4, 5, 6, 7;

  INSERT INTO ledger_claim AS c (tenant_id, customer_id, currency, balance_minor)
  SELECT p.tenant_id, coalesce(p.customer_id, '{NOBODY}'), p.currency,
         sum(CASE a.code WHEN p.debit THEN p.amount_minor ELSE -p.amount_minor END)
  FROM added p
  JOIN ledger_account a ON a.tenant_id = p.tenant_id AND a.seller_id = p.seller_id
    AND a.code IN (p.debit, p.credit) AND a.role IN ('receivable', 'advance')
  GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
  ON CONFLICT (tenant_id, customer_id, currency)
  DO UPDATE SET balance_minor = c.balance_minor + excluded.balance_minor;
  RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0004_debts")]

    operations = [
        migrations.RunSQL(FORWARD, migrations.RunSQL.noop),
        migrations.RemoveIndex(model_name="claim", name="claim_by_debt"),
        migrations.RemoveConstraint(model_name="claim", name="claim_once"),
        migrations.RemoveField(model_name="claim", name="seller_id"),
        migrations.RemoveField(model_name="claim", name="account"),
        migrations.AddConstraint(
            model_name="claim",
            constraint=models.UniqueConstraint(
                fields=["tenant_id", "customer_id", "currency"], name="claim_of_customer"
            ),
        ),
    ]
