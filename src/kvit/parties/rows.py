"""What a folder, a form or an API says about sellers, branches and customers, as it says it.

An empty text means "not given": of a customer's zone and currency, the tenant's. Two rows are equal
when nothing would change, so an importer can keep the row that it last applied and see whether the
object was changed elsewhere since.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

SERIES = "{year}-{number:05}"


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A company that bills with Kvit."""

    code: str
    name: str
    currency: str  # ISO 4217
    zone: str  # IANA
    language: str = "ru"
    vat_rounding: str = "document"
    late_events: str = "open_period"


@dataclass(frozen=True, slots=True)
class SellerRow:
    """A legal entity that issues invoices."""

    code: str
    name: str
    inn: str = ""
    kpp: str = ""
    ogrn: str = ""
    vat: str = "auto"
    price_basis: str = "net"
    account: str = ""
    bank: str = ""
    bik: str = ""
    correspondent: str = ""
    address: str = ""
    signer: str = ""
    series: str = SERIES
    split: str = ""  # "service": an invoice for each service
    approval: bool = False  # drafts wait for a person
    vat_rounding: str = ""  # "": the tenant's
    four_eyes: bool = False  # drafts wait for another person than their author


@dataclass(frozen=True, slots=True)
class BranchRow:
    """A site of a seller."""

    code: str
    name: str
    seller: str  # its code


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """Who is billed."""

    code: str
    name: str
    kind: str = "company"  # or "sole", "person"
    inn: str = ""
    kpp: str = ""
    email: str = ""
    phone: str = ""
    address: str = ""
    zone: str = ""
    currency: str = ""
    payer: str = ""  # the code of another customer
    segment: str = ""
    branch: str = ""
    ogrn: str = ""
    bank: str = ""
    bik: str = ""
    account: str = ""
    correspondent: str = ""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant as it stands."""

    id: UUID
    row: TenantRow


@dataclass(frozen=True, slots=True)
class Seller:
    """A seller as it stands; `vat_rounding` is settled between it and its tenant."""

    id: UUID
    row: SellerRow
    vat_rounding: str


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer as it stands; zone, currency and who pays are settled."""

    id: UUID
    row: CustomerRow
    zone: str
    currency: str
    payer_id: UUID  # its own id when it pays for itself


class Payer(NamedTuple):
    """What a bill run asks of a customer: no personal data."""

    code: str
    payer_id: UUID  # its own id when it pays for itself
    currency: str
    branch: str


@dataclass(frozen=True, slots=True)
class CustomerAsked:
    """What a list of customers is narrowed to; an empty field narrows nothing."""

    text: str = ""  # name, ИНН, code, phone, address, in any case form
    kind: str = ""
    segment: str = ""
    branches: Collection[str] | None = None  # codes of branches
    payer_id: UUID | None = None  # those it pays for
    among: Any = None  # ids, or a query of them
    without: Any = None  # the same, to leave out


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody wrote down about a customer."""

    id: UUID
    customer_id: UUID
    text: str
    author: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Changes:
    """What applying a set of rows did, by code."""

    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """A machine's key as it is shown: never its secrets."""

    id: UUID
    name: str
    prefix: str  # after "kvit_"
    rights: tuple[str, ...]
    certificate: str
    made_by: str
    made_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None
    used_from: str

    @property
    def shown(self) -> str:
        """The key as far as it may be shown."""
        return f"kvit_{self.prefix}_…"
