"""What a folder, or another system, last said: so that a change made elsewhere is seen."""

from django.db import models

from kvit.platform.tenancy import TenantModel


class ImportedObject(TenantModel):
    """The content of one object as last applied from outside.

    Three contents meet at an import: what the folder wants, what it wanted last (here), and what
    stands. If what stands is not what was last applied, somebody else changed it.
    """

    kind = models.CharField(max_length=20)
    code = models.CharField(max_length=400)
    content = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "kind", "code"], name="imported_object_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.code}"
