"""Which request a document is, and the answer or the error it gets."""

from collections.abc import Callable, Mapping
from typing import cast

from kvit.core.money import ROUNDINGS, Rounding
from kvit.core.pricing.errors import PriceError, unknown_field
from kvit.core.quote.context import COMMON, Catalogue, Context, check_currency
from kvit.core.quote.documents import BadLine, read_line
from kvit.core.quote.periods import answer_change, answer_cycles, answer_prorate
from kvit.core.quote.prices import answer_plan, answer_price, answer_prices
from kvit.core.quote.sums import answer_allocate, answer_invoice, answer_round, answer_tax
from kvit.core.wording import LANGUAGES

Answer = dict[str, object]

_KINDS: dict[str, Callable[[Mapping[str, object], Context], Answer]] = {
    "price": answer_price,
    "prices": answer_prices,
    "plan": answer_plan,
    "prorate": answer_prorate,
    "change": answer_change,
    "cycles": answer_cycles,
    "allocate": answer_allocate,
    "round": answer_round,
    "tax": answer_tax,
    "invoice": answer_invoice,
}


def answer_line(line: bytes, catalogue: Catalogue | None = None) -> Answer:
    """Answer one line of JSON; a line that cannot be read gets an error without an id."""
    try:
        document = read_line(line)
    except BadLine as error:
        return {"id": error.identifier, "error": refusal(error, "ru")}
    return answer(document, catalogue)


def answer(document: object, catalogue: Catalogue | None = None) -> Answer:
    """Answer one document of the quote contract; never raises for what stands in it.

    Args:
        document: as `read_line` gives it: floats refused, strings and integers exact.
        catalogue: plans by code, as in the company folder, for `"plan": "code"`.
    """
    name: object = None
    lang = "ru"
    try:
        if not isinstance(document, Mapping):
            raise PriceError("bad_json", "", detail="{…}")
        name = _identifier(document)
        lang = _choice(document, "lang", LANGUAGES)
        kind = _kind(document)
        context = Context(
            currency=_currency(document, kind),
            rounding=cast(Rounding, _choice(document, "rounding", ROUNDINGS)),
            lang=lang,
            catalogue=catalogue or {},
        )
        return {"id": name, **_KINDS[kind](document, context)}
    except PriceError as error:
        return {"id": name, "error": refusal(error, lang)}


def refusal(error: PriceError, lang: str) -> dict[str, str]:
    """Return the error object of the contract."""
    return {"code": error.code, "field": error.field, "message": error.message(lang)}


def _identifier(document: Mapping[str, object]) -> object:
    name = document.get("id")
    if name is not None and not isinstance(name, str | int):
        raise PriceError("out_of_range", "id", reason="kind", expected="“text”")
    return name


def _choice(document: Mapping[str, object], field: str, known: tuple[str, ...]) -> str:
    value = document.get(field)
    if value is None:
        return known[0]
    if not isinstance(value, str) or value not in known:
        shown = str(value)[:40]
        raise PriceError(
            "out_of_range", field, reason="choice", value=shown, known=", ".join(known)
        )
    return value


def _kind(document: Mapping[str, object]) -> str:
    found = [kind for kind in _KINDS if kind in document]
    if not found:
        stray = [name for name in document if name not in COMMON]
        if stray and (error := unknown_field("", stray[0], sorted(_KINDS))).reason:
            raise error
        raise PriceError("missing_field", "price", name=" / ".join(_KINDS))
    if len(found) > 1:
        raise PriceError("unknown_field", found[1], name=found[1], known=found[0])
    return found[0]


def _currency(document: Mapping[str, object], kind: str) -> str:
    """Return the line's currency; VAT is a Russian tax and may go without."""
    value = document.get("currency")
    if kind in ("round", "cycles"):
        return value if isinstance(value, str) else ""
    if value is None:
        if kind in ("tax", "invoice"):
            return "RUB"
        raise PriceError("missing_field", "currency", name="currency")
    return check_currency(value, "currency")
