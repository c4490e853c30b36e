"""Lists as people keep them: saved views under a name, and what each person last chose.

save_view(list_code="invoices", name="Крупные", query="least=100000&sort=-total", is_shared=True, …)
choose_columns(list_code="invoices", columns="number,total", …)  # remembered
open_list_with(list_code="invoices", view=view_id, …)  # the list opens so

A view is its owner's; a shared one is everybody's to open, and its owner's, or a keeper's, to
change. A removed view can be restored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from kvit.core.wording import Words
from kvit.parties import models
from kvit.parties.masking import is_masking
from kvit.platform import audit
from kvit.platform.failures import Failure
from kvit.platform.revisions import Seen, refuse_stale

LONGEST_NAME, LONGEST_QUERY, MOST = 80, 2000, 50
NOT_KEPT = frozenset({"after", "format", "view", "choosing", "removed"})
WORDS: Words = {
    "view_not_found": ("Такого представления нет.", "There is no such view."),
    "view_name_missing": ("Назовите представление.", "Give the view a name."),
    "view_name_long": (
        "Название длиннее {most} знаков: сократите его.",
        "The name is longer than {most} characters: shorten it.",
    ),
    "view_name_taken": (
        "Представление «{name}» у вас уже есть: назовите это иначе или удалите то.",
        "You have a view “{name}” already: name this one otherwise, or remove that one.",
    ),
    "view_query_long": (
        "Фильтр слишком длинный, чтобы его запомнить: снимите часть условий.",
        "The filter is too long to be kept: take some conditions off.",
    ),
    "view_too_many": (
        "У вас уже {most} представлений этого списка: удалите ненужное.",
        "You have {most} views of this list already: remove one that you do not need.",
    ),
    "view_not_yours": (
        "Это представление создал другой человек: сохраните своё под другим именем.",
        "Somebody else made this view: save one of your own.",
    ),
}


class ViewRefused(Failure):
    """The view cannot be kept or changed so; nothing was changed."""

    words = WORDS


class ViewNotFound(Failure):
    """There is no such view that one may see."""

    words = WORDS


@dataclass(frozen=True, slots=True)
class ListViewRow:
    """A saved view. `query` is what stands behind the "?" of the list's address."""

    id: UUID
    list: str
    name: str
    query: str
    is_shared: bool
    owner: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What one person sees above a list: the views, their own columns, the view that opens."""

    views: tuple[ListViewRow, ...]
    columns: str = ""
    opens: UUID | None = None

    def opening(self) -> ListViewRow | None:
        """The view that the list opens with."""
        return next((one for one in self.views if one.id == self.opens), None)


def list_kept(list_code: str, owner: str) -> Kept:
    """Return what this person sees above the list, in one query: shared views after their own."""
    mine = Q(owner=owner)
    rows = models.ListView.objects.filter(mine | Q(is_shared=True), list=list_code, removed_at=None)
    found = list(rows.order_by("name", "id"))
    last = next((one for one in found if one.name == "" and one.owner == owner), None)
    named = [_row(one) for one in found if one.name and _is_open(one, owner)]
    views = sorted(named, key=lambda one: one.is_shared)
    return Kept(tuple(views), last.query if last else "", last.opens_id if last else None)


def normal_query(query: str) -> str:
    """Return a query as it is kept and compared: sorted, without what is of the moment."""
    pairs = parse_qsl(query.removeprefix("?"))
    return urlencode(sorted((name, text) for name, text in pairs if name not in NOT_KEPT))


def view_by_id(key: UUID, owner: str) -> ListViewRow:
    """Return a view that this person may see.

    Raises:
        ViewNotFound: there is none.
    """
    return _row(_find(key, owner))


@transaction.atomic
def save_view(
    *, list_code: str, name: str, query: str, is_shared: bool, actor: str, now: datetime
) -> ListViewRow:
    """Keep a list's filter, order and columns under a name.

    Raises:
        ViewRefused: the name is taken, missing or long, the filter is long, there are too many.
    """
    name, query = _checked_name(name, list_code, actor, besides=None), normal_query(query)
    if len(query) > LONGEST_QUERY:
        raise ViewRefused("view_query_long", field="query")
    mine = models.ListView.objects.filter(list=list_code, owner=actor, removed_at=None)
    if mine.exclude(name="").count() >= MOST:
        raise ViewRefused("view_too_many", most=MOST)
    made = models.ListView.objects.create(
        list=list_code, owner=actor, name=name, query=query, is_shared=is_shared, made_at=now
    )
    _record("list_view.saved", made, actor=actor, now=now, before=None)
    return _row(made)


@transaction.atomic
def change_view(
    key: UUID, *, name: str, query: str, is_shared: bool, seen: Seen = None, actor: str,
    now: datetime, keeper: bool,
) -> ListViewRow:  # fmt: skip
    """Let a view be called, filter and be shared so.

    Args:
        keeper: who asks may change shared views of others.

    Raises:
        ViewNotFound: there is none. ViewRefused: see `save_view`, or it is another person's.
        Stale: it was changed since it was seen.
    """
    found = _own(key, actor, keeper)
    refuse_stale(_row(found), seen, of=("parties.list_view", str(found.pk)))
    before = _image(found)
    found.name = _checked_name(name, found.list, found.owner, besides=key)
    found.query, found.is_shared = normal_query(query), is_shared
    if len(found.query) > LONGEST_QUERY:
        raise ViewRefused("view_query_long", field="query")
    found.save(update_fields=["name", "query", "is_shared"])
    _record("list_view.changed", found, actor=actor, now=now, before=before)
    return _row(found)


@transaction.atomic
def remove_view(key: UUID, *, actor: str, now: datetime, keeper: bool) -> ListViewRow:
    """Take a view away; `restore_view` brings it back.

    Raises:
        ViewNotFound: there is none. ViewRefused: it is another person's.
    """
    found = _own(key, actor, keeper)
    found.removed_at = now
    found.save(update_fields=["removed_at"])
    _record("list_view.removed", found, actor=actor, now=now, before=_image(found))
    return _row(found)


@transaction.atomic
def restore_view(key: UUID, *, actor: str, now: datetime, keeper: bool) -> ListViewRow:
    """Bring a removed view back as it was.

    Raises:
        ViewNotFound: there is none. ViewRefused: another has its name by now.
    """
    found = _own(key, actor, keeper, removed=True)
    _checked_name(found.name, found.list, found.owner, besides=key)
    found.removed_at = None
    found.save(update_fields=["removed_at"])
    _record("list_view.restored", found, actor=actor, now=now, before=None)
    return _row(found)


@transaction.atomic
def choose_columns(*, list_code: str, columns: str, actor: str, now: datetime) -> None:
    """Remember the columns that a person wants in a list; "" are the usual ones."""
    _remember(list_code, actor, now, query=columns)


@transaction.atomic
def open_list_with(*, list_code: str, view: UUID | None, actor: str, now: datetime) -> None:
    """Let a list open with a view for who asks; None: with everything.

    Raises:
        ViewNotFound: there is no such view of this list.
    """
    if view is not None and _find(view, actor).list != list_code:
        raise ViewNotFound("view_not_found")
    _remember(list_code, actor, now, opens_id=view)


def _remember(list_code: str, actor: str, now: datetime, **told: object) -> None:
    models.ListView.objects.update_or_create(
        list=list_code, owner=actor, name="", removed_at=None,
        defaults=told, create_defaults={"made_at": now, **told},
    )  # fmt: skip


def _find(key: UUID, owner: str, *, removed: bool = False) -> models.ListView:
    rows = models.ListView.objects.filter(Q(owner=owner) | Q(is_shared=True), pk=key)
    found = rows.exclude(name="").filter(removed_at__isnull=not removed).first()
    if found is None or not _is_open(found, owner):
        raise ViewNotFound("view_not_found")
    return found


def _is_open(found: models.ListView, owner: str) -> bool:
    """Another's view that looks for a text may name a person: who sees masks does not see it."""
    return found.owner == owner or not is_masking() or "q" not in dict(parse_qsl(found.query))


def _own(key: UUID, actor: str, keeper: bool, *, removed: bool = False) -> models.ListView:
    found = _find(key, actor, removed=removed)
    if found.owner != actor and not keeper:
        raise ViewRefused("view_not_yours")
    return models.ListView.objects.select_for_update().get(pk=found.pk)


def _checked_name(name: str, list_code: str, owner: str, *, besides: UUID | None) -> str:
    name = " ".join(name.split())
    if not name:
        raise ViewRefused("view_name_missing", field="name")
    if len(name) > LONGEST_NAME:
        raise ViewRefused("view_name_long", field="name", most=LONGEST_NAME)
    same = models.ListView.objects.filter(list=list_code, owner=owner, name=name, removed_at=None)
    if same.exclude(pk=besides).exists():
        raise ViewRefused("view_name_taken", field="name", name=name)
    return name


def _row(found: models.ListView) -> ListViewRow:
    return ListViewRow(found.pk, found.list, found.name, found.query, found.is_shared, found.owner)


def _image(found: models.ListView) -> dict[str, object]:
    """What the journal tells; a filter may name a person, so it is not told."""
    return {"list": found.list, "name": found.name, "shared": found.is_shared}


def _record(
    action: str,
    found: models.ListView,
    *,
    actor: str,
    now: datetime,
    before: Mapping[str, object] | None,
) -> None:
    audit.record(
        action=action, object_type="parties.list_view", object_id=str(found.pk),
        actor=actor, now=now, before=before, after=_image(found),
    )  # fmt: skip
