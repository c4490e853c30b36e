"""The roles that every installation begins with, as rows: they may be changed and added to."""

from typing import Any

from django.db import migrations

READING = ("customers.read", "catalogue.read", "subscriptions.read", "invoices.read")
ROLES = (
    ("owner", "Владелец", "Owner", (
        *READING, "books.read", "audit.read", "settings.write", "members.write",
        "customers.write", "catalogue.write", "subscriptions.write", "usage.write",
        "runs.start", "invoices.approve", "invoices.correct",
    )),
    ("accountant", "Бухгалтер", "Accountant", (
        *READING, "books.read", "customers.write", "runs.start", "invoices.approve",
        "invoices.correct",
    )),
    ("product_manager", "Менеджер продукта", "Product manager", (
        *READING, "catalogue.write", "subscriptions.write",
    )),
    ("collector", "Взыскание", "Collections", (*READING, "books.read", "customers.write")),
    ("support", "Поддержка", "Support", (*READING, "customers.write", "subscriptions.write")),
    ("auditor", "Аудитор", "Auditor", (*READING, "books.read", "audit.read")),
    ("security_officer", "Офицер безопасности", "Security officer", (
        "audit.read", "members.write",
    )),
)  # fmt: skip


def write_roles(apps: Any, schema_editor: Any) -> None:
    role_model = apps.get_model("parties", "Role")
    right_model = apps.get_model("parties", "RoleRight")
    for code, russian, english, rights in ROLES:
        role = role_model.objects.create(code=code, name_ru=russian, name_en=english)
        right_model.objects.bulk_create(right_model(role=role, right=right) for right in rights)


class Migration(migrations.Migration):
    dependencies = [("parties", "0001_initial")]
    operations = [migrations.RunPython(write_roles, migrations.RunPython.noop)]
