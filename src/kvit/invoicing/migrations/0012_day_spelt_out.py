"""The index of the list's order by day spells the day out, so that a page begins where it begins.

Over COALESCE it was read from its first row for every page: see `models.day_of`.
"""

from datetime import date

from django.db import migrations
from django.db.models import Case, F, Index, Value, When

DAY = Case(When(issued_on__isnull=True, then=Value(date(9999, 12, 31))), default=F("issued_on"))


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0011_plan_months")]
    operations = [
        migrations.AddIndex("invoice", Index(F("tenant_id"), DAY, F("id"), name="invoice_by_day")),
        migrations.RemoveIndex("invoice", "invoice_day"),
    ]
