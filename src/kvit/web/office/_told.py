"""What forms say beside the labels: errors in words of a form, and hints at a formula's fields."""

from django.utils.translation import gettext as _

from kvit.core.pricing.composed import Composed, Lookup
from kvit.core.pricing.errors import PriceError


def told(error: PriceError, lang: str) -> str:
    """Say an error to somebody who fills in a form: no field is called by its code, no JSON."""
    match error.code, error.reason:
        case "not_a_number", "":
            return _("“%(value)s” is no number. Write it as 12.50.") % error.params
        case "missing_field", "" if error.params.get("name") == "ranges / keys":
            return _("Fill in either values by bounds or values by word, and not both.")
        case "missing_field", "":
            return _("This is needed: fill it in.")
        case "bad_tiers", "not_open":
            words = _(
                "The last row ends at %(value)s, and nothing is said of what is above. Leave its"
                " upper bound empty."
            )
            return words % error.params
    return error.message(lang)


def hint(row: type, name: str) -> str:
    """What a field of a composed price is for; the others say it by their labels."""
    if row is Lookup and name == "ranges":
        return _("Looked up by range(…): the value of the first row whose bound is not below.")
    if row is Lookup and name == "keys":
        return _("Looked up by key(…): a value for each word, such as a region.")
    hints = {
        "parts": _("Each part is a price of its own, of the same quantity."),
        "tables": _("Numbers that the formula looks up: by a bound or by a word."),
        "expression": _("Such as base * 1.08, max(base, 500), if(units > 100, base * 0.9, base)."),
        "attributes": _("Names of values that subscriptions and customers bring, by commas."),
    }
    return hints.get(name, "") if row is Composed else ""
