"""Where the seller wants four eyes, nobody approves a document of their own.

The policy is copied onto the draft when it is made, so that what is issued later, by whatever
program, is held to it by a constraint.
"""

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0005_triggers")]
    operations = [
        migrations.AddField(
            model_name="invoice",
            name="four_eyes",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=Q(four_eyes=False)
                | Q(status="draft")
                | (~Q(approver="") & ~Q(approver=F("author"))),
                name="invoice_four_eyes",
            ),
        ),
    ]
