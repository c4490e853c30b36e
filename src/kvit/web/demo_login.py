"""A login that is ready at once, for `kvit demo`: made once, told once.

login = ensure_login(tenant)                    # None: it was made and told before
print(login.email, login.password, login.codes[0])
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kvit.parties import services
from kvit.parties.rights import OWNER
from kvit.parties.rows import Tenant
from kvit.platform.tenancy import tenant_scope

WORDS = (
    "берег", "вечер", "гроза", "дорога", "ёлка", "журавль", "зима", "искра", "камень", "лодка",
    "малина", "небо", "облако", "парус", "река", "север", "тропа", "утро", "фонарь", "холм",
    "цапля", "чайка", "шторм", "щегол", "эхо", "якорь", "ветер", "снег", "сосна", "маяк",
    "рассвет", "поле",
)  # fmt: skip
EMAIL = "owner@{code}.example"


@dataclass(frozen=True, slots=True)
class Login:
    """What opens the office. Each of the codes is a second factor once; the app's, for ever."""

    email: str
    password: str
    secret: str  # of an authenticator app
    uri: str  # the same as a link that such an app opens
    codes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Login({self.email})"


def ensure_login(tenant: Tenant, *, actor: str = "cli:demo") -> Login | None:
    """Make the owner's login of a company, with both factors; None where it stands already.

    Must be called with no transaction around it that may be rolled back: what is told must hold.
    """
    email = EMAIL.format(code=tenant.row.code)
    from kvit.parties import queries

    if queries.user_by_email(email) is not None:
        return None
    password = "-".join(secrets.choice(WORDS) for _ in range(5))
    with tenant_scope(tenant.id, switch=True):
        user_id = services.add_member(
            email=email, name="Владелец", role=OWNER, actor=actor, now=datetime.now(UTC),
            password=password,
        )  # fmt: skip
    secret, uri, codes = _second_factor(user_id, email)
    return Login(email, password, secret, uri, codes)


def _second_factor(user_id: Any, email: str) -> tuple[str, str, tuple[str, ...]]:
    from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
    from django.contrib.auth import get_user_model

    from kvit.web.login.adapters import MFAAdapter

    user = get_user_model().objects.get(pk=user_id)
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    codes = RecoveryCodes.activate(user)
    codes.mark_as_viewed()
    return secret, MFAAdapter().build_totp_url(user, secret), tuple(codes.get_unused_codes())
