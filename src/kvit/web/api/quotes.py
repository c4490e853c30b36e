"""Prices without a database: the contract of `kvit quote` over HTTP."""

from typing import Any

from django.http import HttpRequest
from pydantic import RootModel

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
    """Nothing is stored. The contract: docs/reference/quote.md."""
    asked = body.root
    if isinstance(asked, list):
        return Answers([answer(one) for one in asked])
    return Answers(answer(asked))
