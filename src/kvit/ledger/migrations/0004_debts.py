"""What a customer owes on all claim accounts together, in a row of its own, by which debts sort.

Such a row names no account and nobody as its seller. Where nothing is posted to days to come,
which is nearly always, a page of debts is then read off an index.
"""

from django.db import migrations, models

NOBODY = "00000000-0000-0000-0000-000000000000"
FORWARD = f"""
CREATE OR REPLACE FUNCTION kvit_keep_sums_of_postings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ledger_dayturnover (tenant_id, seller_id, effective_on, debit, credit, currency,
                                  origin, postings, amount_minor)
  SELECT tenant_id, seller_id, effective_on, debit, credit, currency, split_part(source, ':', 1),
         count(*), sum(amount_minor)
  FROM added GROUP BY 1, 2, 3, 4, 5, 6, 7;

  INSERT INTO ledger_claim AS c (tenant_id, customer_id, seller_id, account, currency,
                                 balance_minor)
  SELECT m.tenant_id, m.customer_id, of.seller_id, of.account, m.currency, sum(m.minor)
  FROM (SELECT p.tenant_id, coalesce(p.customer_id, '{NOBODY}') AS customer_id, p.seller_id,
               a.code, p.currency,
               CASE a.code WHEN p.debit THEN p.amount_minor ELSE -p.amount_minor END AS minor
        FROM added p
        JOIN ledger_account a ON a.tenant_id = p.tenant_id AND a.seller_id = p.seller_id
          AND a.code IN (p.debit, p.credit) AND a.role IN ('receivable', 'advance')) m
  CROSS JOIN LATERAL (VALUES (m.seller_id, m.code), ('{NOBODY}'::uuid, '')
  ) AS of (seller_id, account)
  GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
  ON CONFLICT (tenant_id, customer_id, seller_id, account, currency)
  DO UPDATE SET balance_minor = c.balance_minor + excluded.balance_minor;
  RETURN NULL;
END $$;

INSERT INTO ledger_claim (tenant_id, customer_id, seller_id, account, currency, balance_minor)
SELECT tenant_id, customer_id, '{NOBODY}', '', currency, sum(balance_minor)
FROM ledger_claim GROUP BY tenant_id, customer_id, currency;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_kept_sums")]

    operations = [
        migrations.RunSQL(FORWARD, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="claim",
            index=models.Index(
                models.F("tenant_id"),
                models.F("balance_minor").desc(),
                models.F("customer_id"),
                models.F("currency"),
                name="claim_by_debt",
                condition=models.Q(("account", ""), models.Q(("balance_minor", 0), _negated=True)),
            ),
        ),
    ]
