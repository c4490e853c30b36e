"""An operation of the API: declared with its right, run behind one guard.

    router = Router()

    @operation(router, "GET", "/customers/{code}", right="customers.read", personal=True,
               response=CustomerOut)
    def read_customer(request, code: str): ...

The guard asks who it is, checks the right, enters the tenant's scope, names where it is done from,
answers a repeat by its `Idempotency-Key` as the first time, and adds the ETag. The name of the
function is the operation's id: pages name it, clients are generated from it, it never changes.
"""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeVar

import orjson
from django.http import HttpRequest, HttpResponse
from ninja import Router
from ninja.constants import NOT_SET
from ninja.decorators import decorate_view

from kvit.invoicing.services import AboveLimit
from kvit.parties import queries as parties
from kvit.parties.queries import masking
from kvit.platform import audit, clock
from kvit.platform.idempotency import once
from kvit.platform.reading import reading, remember
from kvit.platform.revisions import Seen, revision_of
from kvit.platform.tenancy import tenant_scope
from kvit.web import routes
from kvit.web.access import PERSONAL, is_in_clear, is_masked, is_only_looking
from kvit.web.api import bodies
from kvit.web.api.auth import address_of, authenticate, check_recent, limit_rate
from kvit.web.api.problems import ApiRefused
from kvit.web.attempts import note_above_limit, note_read, note_refused

View = TypeVar("View", bound=Callable[..., Any])
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
LONGEST_ID = 38  # with the actor it is the scope of an idempotency key, 80 characters
KEPT_HEADERS = ("ETag", "Location", "Content-Type")

__all__ = ["Guarded", "Router", "etag_of", "operation", "seen", "standing"]


@dataclass(frozen=True, slots=True)
class Guarded:
    """What the guard of an operation knows about it."""

    route: routes.Route
    secrets: tuple[str, ...]  # fields of the answer that are told once and not kept
    body_limit: int
    view: Any


COMPARES = {"x-compares": True}
"""Of an operation that is no PUT, PATCH or DELETE and looks into `If-Match`: for `extra`."""


def operation(
    router: Router,
    method: str,
    path: str,
    *,
    right: str,
    response: Any = NOT_SET,
    status: int = 200,
    personal: bool = False,
    recent: bool = False,
    summary: str = "",
    tags: list[str] | None = None,
    secrets: tuple[str, ...] = (),
    body_limit: int = bodies.LIMIT,
    reach: routes.Reach = "",
    extra: Mapping[str, Any] | None = None,
) -> Callable[[View], View]:
    """Add a view to the router as an operation of the API.

    Args:
        right: of a role (`invoices.read`), or one of `routes.SPECIAL_RIGHTS`.
        response: the schema of the answer with `status`; None is an empty one.
        personal: what is read here is personal data; each read leaves an audit row.
        recent: a person of the office must have proved themselves again; machines sign.
        secrets: fields of the answer that are told once: a repeat is answered without them.
        reach: how a member of a branch is treated (`routes.Route`).
        extra: what OpenAPI shall say besides.
    """

    def attach(view: View) -> View:
        name = view.__name__
        if len(name) > LONGEST_ID:
            raise ValueError(f"the id of an operation is too long: {name}")
        route = routes.Route(
            path=f"api/v1{path}",
            name=f"api-{name}",
            right=right,
            methods=frozenset({method, "HEAD"} if method == "GET" else {method}),
            kind="api",
            personal=personal,
            recent=recent,
            operation=name,
            reach=reach,
        )
        guarded = Guarded(route, secrets, body_limit, view)
        routes.declare(route)(view)
        decorate_view(_guard(guarded))(view)
        router.api_operation(
            [method],
            path,
            auth=None,
            response={status: response} if response is not NOT_SET else NOT_SET,
            operation_id=name,
            summary=summary or name.replace("_", " ").capitalize(),
            tags=tags,
            openapi_extra={"x-right": right, **(extra or {})},
        )(view)
        return view

    return attach


def _guard(guarded: Guarded) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(run: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(run)
        def behind_guard(request: HttpRequest, **path: Any) -> HttpResponse:
            bodies.check(request, path, limit=guarded.body_limit)
            route = guarded.route
            if route.right == routes.PUBLIC:
                return run(request, **path)
            principal = authenticate(request)
            request.principal = principal
            limit_rate(principal)
            with _acting(request, principal, route):
                if is_only_looking(request):
                    raise ApiRefused("only_looking", status=403)
                if not route.opens_to(principal):
                    note_refused(request, route, path)
                    routes.note_denial(guarded.view, request, path)
                    raise ApiRefused("right_missing", status=403, right=route.right)
                if is_in_clear(route) and PERSONAL not in principal.rights:
                    note_refused(request, route, path)
                    raise ApiRefused("right_missing", status=403, right=PERSONAL)
                if route.recent:
                    check_recent(request, principal)
                answer = _once(request, run, path, guarded)
                if isinstance(refusal := getattr(request, "refusal", None), AboveLimit):
                    note_above_limit(request, refusal)
                if route.personal and answer.status_code < 400:
                    note_read(request, route, path)
                return _with_etag(request, answer)

        return behind_guard

    return decorate


@contextmanager
def _acting(request: HttpRequest, principal: Any, route: routes.Route) -> Any:
    """Enter the tenant's scope, with its clock and with where it is done from."""
    origin = f"api: {route.operation} {address_of(request)}"[:120]
    with (
        tenant_scope(principal.tenant.id, switch=True),
        audit.acting_from(origin),
        masking(is_masked(request, principal)),
    ):
        own = principal.test_clock
        request.now = clock.now_for(principal.tenant.id) if own else datetime.now(UTC)
        yield


# --- once ---------------------------------------------------------------------------------------


class _NotKept(Exception):
    """Carries a refusal out of the transaction: nothing was done, and the key stays free."""

    def __init__(self, answer: HttpResponse) -> None:
        super().__init__()
        self.answer = answer


def _once(
    request: HttpRequest, run: Callable[..., HttpResponse], path: Any, guarded: Guarded
) -> HttpResponse:
    """Run the operation; of writes with an `Idempotency-Key`, once for each key."""
    if request.method not in WRITES:
        with reading():
            remember(parties.tenant, request.principal.tenant)
            return run(request, **path)
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return run(request, **path)
    if not (0 < len(key) <= 200 and key.isascii() and key.isprintable()):
        raise ApiRefused("idempotency_key_invalid", status=400, field="Idempotency-Key")
    told: list[HttpResponse] = []

    def act() -> dict[str, Any]:
        answer = run(request, **path)
        if answer.status_code >= 400:
            raise _NotKept(answer)
        told.append(answer)
        return _kept(answer, guarded.secrets) | {"shown": _shown(request)}

    what = f"{request.method} {request.get_full_path()}\n".encode() + request.body
    scope = f"{request.principal.actor} {guarded.route.operation}"[:80]
    try:
        kept = once(scope=scope, key=key, request=what, act=act)
    except _NotKept as refused:
        return refused.answer
    if told:
        return told[0]
    if not _may_see(request, kept.get("shown", _TO_ALL)):
        raise ApiRefused("repeat_not_shown", status=403)
    return _answered_before(kept)


# What an answer was made for: with masked persons, for which branches (none: the whole company).
_TO_ALL: Mapping[str, Any] = {"masked": False, "branches": []}


def _shown(request: HttpRequest) -> dict[str, Any]:
    who = request.principal
    return {"masked": is_masked(request, who), "branches": sorted(who.branches)}


def _may_see(request: HttpRequest, shown: Mapping[str, Any]) -> bool:
    """Whether who asks now may still see all that an answer kept from before holds."""
    own = request.principal.branches
    within = not own or (bool(shown["branches"]) and own.issuperset(shown["branches"]))
    return within and (shown["masked"] or not is_masked(request, request.principal))


def _kept(answer: HttpResponse, secrets: tuple[str, ...]) -> dict[str, Any]:
    body = answer.content
    if secrets and body:
        document = orjson.loads(body)
        body = orjson.dumps({**document, **dict.fromkeys(secrets)})
    headers = {name: answer[name] for name in KEPT_HEADERS if name in answer}
    return {"status": answer.status_code, "headers": headers, "body": body.decode()}


def _answered_before(kept: Mapping[str, Any]) -> HttpResponse:
    answer = HttpResponse(kept["body"], status=kept["status"])
    for name, value in kept["headers"].items():
        answer[name] = value
    answer["Idempotent-Replayed"] = "true"
    return answer


# --- changes of what stands ---------------------------------------------------------------------


def etag_of(answer: bytes) -> str:
    """Return the tag of a representation."""
    return f'"{hashlib.sha256(answer).hexdigest()[:32]}"'


def standing(request: HttpRequest, stands: Any) -> None:
    """Let the ETag of the answer name the revision of what stands, for a change to be made from."""
    request.revision = revision_of(stands)


def seen(request: HttpRequest) -> Seen:
    """Return which revisions the change was made from, by `If-Match`; None where it does not say.

    The service that writes compares them under its lock (`kvit.platform.revisions`).
    """
    wanted = request.headers.get("If-Match", "").strip()
    if wanted in ("", "*"):
        return None
    tags = (tag.strip().removeprefix("W/").strip('"') for tag in wanted.split(","))
    return frozenset(tag.partition(".")[0] for tag in tags)


def _with_etag(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    is_json = answer.get("Content-Type", "").startswith("application/json")
    if answer.status_code != 200 or answer.streaming or not is_json or "ETag" in answer:
        return answer
    tag = etag_of(answer.content)
    if revision := getattr(request, "revision", ""):
        tag = f'"{revision}.{tag[1:]}'
    if request.method in ("GET", "HEAD") and tag in request.headers.get("If-None-Match", ""):
        answer = HttpResponse(status=304)
    answer["ETag"] = tag
    return answer
