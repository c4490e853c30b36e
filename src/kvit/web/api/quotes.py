"""Prices without a database: the contract of `kvit quote` over HTTP."""

from datetime import date
from typing import Any

from django.http import HttpRequest
from pydantic import RootModel

from kvit.catalog import queries
from kvit.core.catalogue import Catalogue
from kvit.core.quote import answer
from kvit.web import routes
from kvit.web.api.core import Router, operation

TAG = ("Расчёт цены", "Quotes")
router = Router()
EXAMPLE = {
    "id": "q1",
    "currency": "RUB",
    "price": {
        "model": "graduated",
        "tiers": [{"up_to": "100", "unit": "2"}, {"up_to": None, "unit": "1.5"}],
    },
    "units": "250.003",
}
MOST = 1_000


class Quotes(RootModel[dict[str, Any] | list[dict[str, Any]]]):
    """One request of the quote contract, or an array of at most 1000."""


class Answers(RootModel[dict[str, Any] | list[dict[str, Any]]]):
    """The answer of each request, in their order; what cannot be priced has `error`."""


@operation(
    router,
    "POST",
    "/quotes",
    right=routes.SIGNED_IN,
    response=Answers,
    summary="Price one request of the quote contract, or an array of them",
    extra={"requestBody": {"content": {"application/json": {"example": EXAMPLE}}}},
)
def quote(request: HttpRequest, body: Quotes) -> Any:
    """Nothing is stored. The contract: docs/reference/quote.md. A plan may be named by the code of
    the company's catalogue, where the caller may see it."""
    asked = body.root
    may_name = "catalogue.read" in request.principal.rights
    known = queries.catalogue() if may_name else Catalogue()
    if isinstance(asked, list):
        return Answers([answer(one, _plan(one, known)) for one in asked])
    return Answers(answer(asked, _plan(asked, known)))


def _plan(asked: dict[str, Any], known: Catalogue) -> dict[str, dict[str, Any]]:
    """Return the plan that a request names by its code, with its prices on the day it names."""
    code = asked.get("plan")
    if not isinstance(code, str) or code not in known.plans:
        return {}
    try:
        day = date.fromisoformat(str(asked.get("date") or date.max))
    except ValueError:  # the answer says so
        day = date.max
    prices = [
        {
            "code": one.code,
            "name": one.name,
            "price": one.price.document(),
            **({"meter": one.meter} if one.meter else {}),
        }
        for one in known.prices_on(code, day)
    ]
    return {code: {"code": code, "price": prices}}
