"""What must hold among the lists as people keep them; for `kvit verify`."""

from collections.abc import Iterator

from django.db.models import F, Q

from kvit.core.wording import Words
from kvit.parties.list_views import normal_query
from kvit.parties.models import ListView
from kvit.platform.invariants import Problem

WORDS: Words = {
    "parties_view_not_normal": (
        "представление хранит условия не так, как их сравнивают",
        "a view keeps its filter otherwise than it is compared",
    ),
    "parties_view_opens_another": (
        "список открывается тем, что не его представление",
        "a list opens with what is no view of it",
    ),
}


def problems() -> Iterator[Problem]:
    """Recompute what must hold among saved views; a removed one can be restored, and counts."""
    named = ListView.objects.exclude(name="").order_by("id").values_list("id", "name", "query")
    for key, name, query in named.iterator():
        if normal_query(query) != query:
            yield Problem("parties_view_not_normal", f"view:{key}", f"{name}: {query}")
    # Whose view it is does not matter: one that was shared may be its owner's alone by now.
    opening = ListView.objects.filter(opens__isnull=False)
    strange = opening.filter(~Q(opens__list=F("list")) | Q(opens__name=""))
    for key, list_code, view in strange.order_by("id").values_list("id", "list", "opens_id"):
        yield Problem("parties_view_opens_another", f"view:{key}", f"{list_code}: {view}")
