"""Who calls the API: a machine by its key, or a person of the office by the session.

A key is sent as `Authorization: Bearer kvit_…`. Where the company asks machines for two factors,
the request is signed too (see `signing`), or comes with the client certificate that the key is
bound to, as a proxy that the operator trusts tells it. A signature that is sent is always checked.
"""

import ipaddress
from datetime import UTC, datetime

from django.http import HttpRequest
from ninja.utils import check_csrf

from kvit.parties import queries as parties
from kvit.parties import services
from kvit.platform import clock, settings, throttle
from kvit.platform.tenancy import tenant_scope
from kvit.web.api import signing
from kvit.web.api.problems import ApiRefused, bearer
from kvit.web.login import proof
from kvit.web.principal import Principal

CERTIFICATE = "X-Client-Cert-Sha256"
WRONG, WRONG_EVERY_S = 20, 3.0  # keys that open nothing, from one address
SAFE = ("GET", "HEAD", "OPTIONS")
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="kvit"'}


def authenticate(request: HttpRequest) -> Principal:
    """Return the principal of a request.

    Raises:
        ApiRefused: nobody is named, the credentials open nothing, or the second factor lacks.
    """
    if request.headers.get("Authorization"):
        return _machine(request)
    person: Principal | None = getattr(request, "principal", None)
    if person is None:
        raise ApiRefused("credentials_missing", status=401, headers=_CHALLENGE)
    if request.method not in SAFE and check_csrf(request) is not None:
        raise ApiRefused("csrf_failed", status=403)
    return person


def check_recent(request: HttpRequest, principal: Principal) -> None:
    """Ask a person of the office to have proved themselves a short while ago.

    Raises:
        ApiRefused: that was too long ago. A machine proves itself with every request.
    """
    if principal.kind == "user" and not proof.is_recent(proof.proof_of(request)):
        raise ApiRefused("proof_too_old", status=403)


def limit_rate(principal: Principal) -> None:
    """Let each key, and each person, ask so often and no oftener, whatever the process.

    Raises:
        ApiRefused: too often; the answer says when to go on.
    """
    _refuse_until(take_requests(principal.actor))


def take_requests(actor: str, count: int = 1) -> int:
    """Let an actor ask once, or so often; return 0, or after how many seconds that may be."""
    allowed = settings.load()
    return throttle.take(
        f"api:{actor}", capacity=allowed.api_burst, every_s=1 / allowed.api_per_second, count=count
    )


def _refuse_until(seconds: int) -> None:
    if seconds:
        raise ApiRefused(
            "too_many_requests", status=429, headers={"Retry-After": str(seconds)},
            seconds=seconds,
        )  # fmt: skip


def _machine(request: HttpRequest) -> Principal:
    now = datetime.now(UTC)
    known = parties.known_key(bearer(request), now=now)
    if known is None:
        name = f"api:wrong:{address_of(request)}"
        _refuse_until(throttle.take(name, capacity=WRONG, every_s=WRONG_EVERY_S))
        raise ApiRefused("credentials_wrong", status=401, headers=_CHALLENGE)
    is_signed = signing.check(request, known, now=now)
    if known.factors > 1 and not is_signed and not _has_certificate(request, known):
        raise ApiRefused("second_factor_missing", status=401, headers=_CHALLENGE)
    services.note_use(known.row, address=address_of(request), now=now)
    with tenant_scope(known.tenant.id, switch=True):
        is_test = clock.is_test()
    return Principal(
        kind="key",
        id=known.row.id,
        name=known.row.name,
        email="",
        tenant=known.tenant,
        rights=frozenset(known.row.rights),
        test_clock=is_test,
    )


def _has_certificate(request: HttpRequest, known: parties.Known) -> bool:
    told = request.headers.get(CERTIFICATE, "").replace(":", "").lower()
    return bool(told) and told == known.row.certificate and _is_trusted(address_of(request))


def _is_trusted(address: str) -> bool:
    """Whether the address is of a proxy that may tell us of client certificates."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    networks = settings.load().certificate_proxies.split(",")
    return any(found in ipaddress.ip_network(one.strip()) for one in networks if one.strip())


def address_of(request: HttpRequest) -> str:
    """Return the address that the connection came from."""
    return str(request.META.get("REMOTE_ADDR", ""))
