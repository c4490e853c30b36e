"""For whom the phone and the recovery codes are lost: the operator, who knows the person, removes
the second factors; the next login sets up new ones.
"""

from datetime import UTC, datetime
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db import transaction

from kvit.parties import services


@transaction.atomic
def forget_factors(user: Any) -> int:
    """Remove the user's second factors and end their sessions; returns how many factors went."""
    count, _ = Authenticator.objects.filter(user=user).delete()
    for session in UserSession.objects.filter(user=user):
        session.end()
    services.note_login(
        user.pk, "factor.removed", after={"factor": "all", "by": "operator"}, now=datetime.now(UTC)
    )
    return count
