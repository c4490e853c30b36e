"""An owner sees the office as a role does: the role's rights and masks, and nothing can be changed.

It lasts as long as the session says so; every request that would change anything is refused, pages
and API alike, but the one that ends it.
"""

from datetime import datetime

from django.http import HttpRequest
from django.utils.translation import gettext as _

from kvit.core.wording import Words
from kvit.parties import queries as parties
from kvit.parties.rights import OWNER
from kvit.platform import audit
from kvit.platform.failures import Failure

KEY = "looks_as"  # of the session
STOP = "role-look-stop"  # the one route that an onlooker may post to
WORDS: Words = {
    "look_not_owner": (
        "Посмотреть как другая роль может только владелец: у него все права.",
        "Only an owner may look as another role: they have every right.",
    ),
    "look_role_unknown": ("Роли {role} нет.", "There is no role {role}."),
}


class LookRefused(Failure):
    """One may not look so; nothing has begun."""

    words = WORDS


def role_of(request: HttpRequest, place: parties.Standing) -> str:
    """Return the role that the session looks as; "" for none, and for who is no owner."""
    role = str(request.session.get(KEY, ""))
    return role if OWNER in place.roles and role != OWNER else ""


def rights_of(role: str, place: parties.Standing) -> frozenset[str]:
    """Return what the role may do in the company; of a role that is gone, nothing."""
    key = place.tenant.id
    return parties.role_rights([key])[key].get(role, frozenset())


def begin(request: HttpRequest, role: str, *, now: datetime) -> None:
    """Look as the role from the next request on.

    Raises:
        LookRefused: who asks is no owner, or there is no such role.
    """
    if OWNER not in request.principal.roles:
        raise LookRefused("look_not_owner")
    if role == OWNER or role not in {one.code for one in parties.roles()}:
        raise LookRefused("look_role_unknown", role=role)
    _note(request, "role.look.begun", role, now)
    request.session[KEY] = role


def end(request: HttpRequest, *, now: datetime) -> None:
    """Be oneself again."""
    role = request.session.pop(KEY, "")
    if role:
        _note(request, "role.look.ended", role, now)


def refusal() -> str:
    """Say why nothing is changed now."""
    return _("You only look as another role does: nothing is changed. Return to yourself first.")


def _note(request: HttpRequest, action: str, role: str, now: datetime) -> None:
    audit.record(
        action=action,
        object_type="parties.role",
        object_id=role,
        actor=request.principal.actor,
        now=now,
    )
