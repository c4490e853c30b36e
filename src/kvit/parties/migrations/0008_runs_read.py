"""Who saw bill runs by `invoices.read` sees them by a right of their own: a run tells of the whole
company, which a member of a branch does not see.
"""

from typing import Any

from django.db import migrations


def give_right(apps: Any, schema_editor: Any) -> None:
    right_model = apps.get_model("parties", "RoleRight")
    own_model = apps.get_model("parties", "TenantRole")
    for one in right_model.objects.filter(right="invoices.read"):
        right_model.objects.get_or_create(role_id=one.role_id, right="runs.read")
    for own in own_model.objects.all():
        if "invoices.read" in own.rights and "runs.read" not in own.rights:
            own_model.objects.filter(pk=own.pk).update(rights=sorted([*own.rights, "runs.read"]))


class Migration(migrations.Migration):
    dependencies = [("parties", "0007_four_eyes")]
    operations = [migrations.RunPython(give_right, migrations.RunPython.noop)]
