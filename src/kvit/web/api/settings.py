"""Settings: the company's policies, sellers and branches, staff and roles, the journal."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Query
from pydantic import Field

from kvit.parties import limits, one_seller, services
from kvit.parties import queries as parties
from kvit.parties.rows import SERIES, BranchRow, SellerRow, TenantRow
from kvit.platform import audit_log
from kvit.platform.audit_log import AuditFilter
from kvit.web.api.core import Router, operation, seen, standing
from kvit.web.api.problems import ApiRefused
from kvit.web.api.schemas import (
    Bool,
    Code,
    Input,
    Listed,
    Moment,
    Money,
    Paging,
    Reason,
    Schema,
    Text,
    listed,
)
from kvit.web.api.sums import Sum, minor_of
from kvit.web.login.links import send_invitation

TAG = ("Настройки и доступ", "Settings and access")
router = Router()
Vat = Literal["auto", "10", "0", "none", "usn5", "usn7"]


class CompanyIn(Input):
    """The company and its policies."""

    name: Text = Field(min_length=1, examples=["ООО «Северный контур»"])
    currency: str = Field(pattern=r"^[A-Z]{3}$", examples=["RUB"])
    zone: Text = Field(examples=["Europe/Moscow"])
    language: Literal["ru", "en"] = "ru"
    vat_rounding: Literal["document", "line"] = "document"
    late_events: Literal["open_period", "correction"] = "open_period"
    reason: Reason = ""


class CompanyOut(Schema):
    """The company and its policies as they stand."""

    code: str
    name: str
    currency: str
    zone: str
    language: str
    vat_rounding: str
    late_events: str


class SellerIn(Input):
    """A legal entity that issues invoices. An empty text means "not given"."""

    name: Text = Field(min_length=1, examples=["ООО «Акме»"])
    inn: Text = Field("", examples=["7707083893"])
    kpp: Text = ""
    ogrn: Text = ""
    vat: Vat = "auto"
    price_basis: Literal["net", "gross"] = "net"
    account: Text = ""
    bank: Text = ""
    bik: Text = ""
    correspondent: Text = ""
    address: Text = ""
    signer: Text = ""
    series: str = Field(SERIES, max_length=80)
    split: Literal["", "service"] = ""
    approval: Bool = False
    four_eyes: Bool = Field(False, description="Another person approves than the author.")
    vat_rounding: Literal["", "document", "line"] = ""
    reason: Reason = ""


class SellerOut(Schema):
    """A seller as it stands."""

    code: str
    name: str
    inn: str
    kpp: str
    ogrn: str
    vat: str
    price_basis: str
    account: str
    bank: str
    bik: str
    correspondent: str
    address: str
    signer: str
    series: str
    split: str
    approval: bool
    four_eyes: bool
    vat_rounding: str


class BranchIn(Input):
    """A site of a seller."""

    name: Text = Field(min_length=1, examples=["Север"])
    seller: Code = Field(examples=["main"])
    reason: Reason = ""


class BranchOut(Schema):
    """A branch as it stands."""

    code: str
    name: str
    seller: str


class HeldOut(Schema):
    """A role of a person; `branch` "" means the whole company."""

    role: str
    branch: str


class MemberOut(Schema):
    """A person of the staff."""

    id: UUID
    email: str
    name: str
    is_active: bool
    has_password: bool
    last_login: Moment | None
    roles: list[HeldOut]


class InviteIn(Input):
    """Whom to invite; a letter with a link is sent."""

    email: Text = Field(min_length=3, max_length=254, examples=["anna@example.com"])
    name: Text = Field("", max_length=150)
    role: Code = Field(examples=["accountant"])
    branch: Text = Field("", max_length=80)
    reason: Reason = ""


class GrantIn(Input):
    """One more role."""

    role: Code = Field(examples=["accountant"])
    branch: Text = Field("", max_length=80)
    reason: Reason = ""


class RoleOut(Schema):
    """A role with its rights in this company; `is_own`: they differ from the usual ones."""

    code: str
    name_ru: str
    name_en: str
    rights: list[str]
    is_own: bool
    members: int
    limits: list[Money] = Field(description="Corrections above wait for approval; empty: none.")
    invoice_limits: list[Money] = Field(
        description="Invoices above are approved by somebody else; empty: none."
    )


class RoleLimitsOut(Schema):
    """The limits of a role; empty: none."""

    limits: list[Money]


class RoleIn(Input):
    """All rights that the role shall have."""

    rights: list[Text] = Field(max_length=100, examples=[["invoices.read"]])
    reason: Reason = ""


class LimitIn(Input):
    """Up to which sum, in one currency."""

    currency: str = Field(pattern=r"^[A-Z]{3}$", examples=["RUB"])
    amount: Sum

    def minor(self) -> int:
        """The sum in minor units."""
        return minor_of(self.amount, self.currency)


class LimitsIn(Input):
    """All limits that the role shall have."""

    limits: list[LimitIn] = Field(max_length=20)
    reason: Reason = ""


class AuditQuery(Paging):
    """What is looked for in the journal."""

    actor: Text = Field("", description="Whose: user:<id>, key:<id>, cli:<name>.")
    action: Text = Field("", description="How the action begins: `attempt.`.")
    object_type: Text = ""
    object_id: Text = ""
    since: Moment | None = None
    until: Moment | None = None


class AuditOut(Schema):
    """A row of the journal."""

    id: UUID
    actor: str
    origin: str
    at: Moment
    recorded_at: Moment
    action: str
    object_type: str
    object_id: str
    before: Any
    after: Any
    reason: str


@operation(router, "GET", "/company", right="settings.read", response=CompanyOut)
def read_company(request: HttpRequest) -> CompanyOut:
    """The company and its policies."""
    row = parties.tenant().row
    standing(request, row)
    return CompanyOut(**asdict(row))


@operation(router, "PUT", "/company", right="settings.write", response=CompanyOut)
def change_company(request: HttpRequest, body: CompanyIn) -> CompanyOut:
    """Documents that are issued keep what they say."""
    values = body.model_dump(exclude={"reason"})
    services.change_tenant(
        TenantRow(code=parties.tenant().row.code, **values), seen=seen(request),
        reason=body.reason, **_asker(request),
    )  # fmt: skip
    return read_company(request)


@operation(router, "GET", "/sellers", right="settings.read", response=Listed[SellerOut])
def list_sellers(request: HttpRequest) -> dict[str, Any]:
    """All sellers by code."""
    rows = [SellerOut(**asdict(one.row)) for one in parties.sellers().values()]
    return {"data": rows, "next": None, "count": len(rows)}


@operation(router, "GET", "/sellers/{code}", right="settings.read", response=SellerOut)
def read_seller(request: HttpRequest, code: Code) -> SellerOut:
    """One seller."""
    found = parties.sellers().get(code)
    if found is None:
        raise one_seller.SellerNotTaken("seller_not_found", code=code)
    standing(request, found.row)
    return SellerOut(**asdict(found.row))


@operation(
    router, "PUT", "/sellers/{code}", right="settings.write", response=SellerOut, recent=True
)
def save_seller(request: HttpRequest, code: Code, body: SellerIn) -> SellerOut:
    """Make the seller, or make it be so. Check digits of requisites are checked."""
    row = SellerRow(code=code, **body.model_dump(exclude={"reason"}))
    one_seller.save_seller(
        row, is_new=None, seen=seen(request), reason=body.reason, **_asker(request)
    )
    return read_seller(request, code)


@operation(router, "GET", "/branches", right="settings.read", response=Listed[BranchOut])
def list_branches(request: HttpRequest) -> dict[str, Any]:
    """All branches by code."""
    rows = [BranchOut(**asdict(one)) for one in parties.branches().values()]
    return {"data": rows, "next": None, "count": len(rows)}


@operation(router, "GET", "/branches/{code}", right="settings.read", response=BranchOut)
def read_branch(request: HttpRequest, code: Code) -> BranchOut:
    """One branch."""
    found = parties.branches().get(code)
    if found is None:
        raise one_seller.SellerNotTaken("branch_not_found", code=code)
    standing(request, found)
    return BranchOut(**asdict(found))


@operation(router, "PUT", "/branches/{code}", right="settings.write", response=BranchOut)
def save_branch(request: HttpRequest, code: Code, body: BranchIn) -> BranchOut:
    """Make the branch, or make it be so."""
    row = BranchRow(code=code, name=body.name, seller=body.seller)
    one_seller.save_branch(
        row, is_new=None, seen=seen(request), reason=body.reason, **_asker(request)
    )
    return read_branch(request, code)


@operation(
    router, "GET", "/members", right="members.read", response=Listed[MemberOut], personal=True
)
def list_members(request: HttpRequest) -> dict[str, Any]:
    """The staff by name."""
    rows = [_member(one) for one in parties.members()]
    return {"data": rows, "next": None, "count": len(rows)}


@operation(
    router, "POST", "/members", right="members.write", status=201, response=MemberOut, recent=True
)
def invite_member(request: HttpRequest, body: InviteIn) -> MemberOut:
    """Give a person a role; who has no account yet gets a link to set a password."""
    from django.contrib.auth import get_user_model

    made = services.invite(**body.model_dump(), **_granter(request))
    user = get_user_model().objects.get(pk=made.user_id)
    send_invitation(request, user, role=body.role, is_new=not user.has_usable_password())
    return _one_member(made.user_id)


@operation(
    router, "POST", "/members/{member_id}/roles", right="members.write", response=MemberOut,
    recent=True,
)  # fmt: skip
def grant_role(request: HttpRequest, member_id: UUID, body: GrantIn) -> MemberOut:
    """Give a member one more role; never above one's own rights."""
    services.grant(user_id=member_id, **body.model_dump(), **_granter(request))
    return _one_member(member_id)


@operation(
    router, "POST", "/members/{member_id}/roles/revoke", right="members.write",
    response=Listed[MemberOut], recent=True,
)  # fmt: skip
def revoke_role(request: HttpRequest, member_id: UUID, body: GrantIn) -> dict[str, Any]:
    """Take a role from a member, from the next request on; answers with who is left."""
    services.revoke(user_id=member_id, **body.model_dump(), **_granter(request))
    return list_members(request)


@operation(router, "GET", "/roles", right="members.read", response=Listed[RoleOut])
def list_roles(request: HttpRequest) -> dict[str, Any]:
    """What each role may do in this company."""
    rows = [_role(one) for one in parties.roles()]
    return {"data": rows, "next": None, "count": len(rows)}


@operation(router, "GET", "/roles/{code}", right="members.read", response=RoleOut)
def read_role(request: HttpRequest, code: Code) -> RoleOut:
    """One role; its ETag is for a change of its rights."""
    card = _card(code)
    standing(request, sorted(card.rights))
    return _role(card)


@operation(router, "GET", "/roles/{code}/limits", right="members.read", response=RoleLimitsOut)
def read_role_limits(request: HttpRequest, code: Code) -> RoleLimitsOut:
    """Up to which sums the role decides by itself; its ETag is for a change of them."""
    card = _card(code)
    standing(request, card.limits)
    return RoleLimitsOut(limits=_role(card).limits)


@operation(router, "PUT", "/roles/{code}", right="members.write", response=RoleOut, recent=True)
def change_role(request: HttpRequest, code: Code, body: RoleIn) -> RoleOut:
    """Make the role have exactly these rights in this company."""
    services.change_role(
        code, frozenset(body.rights), seen=seen(request), reason=body.reason, **_granter(request)
    )
    return read_role(request, code)


@operation(
    router, "PUT", "/roles/{code}/limits", right="members.write", response=RoleOut, recent=True
)
def set_role_limits(request: HttpRequest, code: Code, body: LimitsIn) -> RoleOut:
    """Make the role correct up to exactly these sums by itself; of none given, up to any. Never
    above one's own limit."""
    given = {one.currency: one.minor() for one in body.limits}
    limits.set_limits(
        code, given, seen=seen(request), reason=body.reason, **_asker(request)
    )  # fmt: skip
    read_role_limits(request, code)
    return _role(_card(code))


@operation(
    router, "GET", "/roles/{code}/invoice-limits", right="members.read", response=RoleLimitsOut
)
def read_role_invoice_limits(request: HttpRequest, code: Code) -> RoleLimitsOut:
    """Up to which sums the role approves invoices; its ETag is for a change of them."""
    card = _card(code)
    standing(request, card.invoice_limits)
    return RoleLimitsOut(limits=_role(card).invoice_limits)


@operation(
    router, "PUT", "/roles/{code}/invoice-limits", right="members.write", response=RoleOut,
    recent=True,
)  # fmt: skip
def set_role_invoice_limits(request: HttpRequest, code: Code, body: LimitsIn) -> RoleOut:
    """Make the role approve invoices up to exactly these sums; of none given, up to any. Never
    above one's own limit."""
    given = {one.currency: one.minor() for one in body.limits}
    limits.set_limits(
        code, given, act=limits.APPROVE, seen=seen(request), reason=body.reason, **_asker(request)
    )
    read_role_invoice_limits(request, code)
    return _role(_card(code))


@operation(router, "GET", "/audit", right="audit.read", response=Listed[AuditOut])
def list_audit(request: HttpRequest, asked: Query[AuditQuery]) -> dict[str, Any]:
    """The journal, the newest first."""
    wanted = AuditFilter(**asked.model_dump(exclude={"after", "limit"}))
    found = audit_log.entries(wanted, after=asked.after, limit=asked.limit)
    return listed(found, lambda one: AuditOut(**_entry(one)))


def _entry(one: audit_log.Entry) -> dict[str, Any]:
    return {name: getattr(one, name) for name in AuditOut.model_fields}


def _member(one: parties.Member) -> MemberOut:
    return MemberOut(
        id=one.user_id,
        email=one.email,
        name=one.name,
        is_active=one.is_active,
        has_password=one.has_password,
        last_login=one.last_login,
        roles=[HeldOut(role=role, branch=branch) for role, branch in one.held],
    )


def _one_member(key: UUID) -> MemberOut:
    return next(_member(one) for one in parties.members() if one.user_id == key)


def _role(one: parties.RoleCard) -> RoleOut:
    return RoleOut(
        code=one.code,
        name_ru=one.name_ru,
        name_en=one.name_en,
        rights=sorted(one.rights),
        is_own=one.is_own,
        members=one.members,
        limits=[Money.of(minor, currency) for currency, minor in one.limits.items()],
        invoice_limits=[Money.of(minor, code) for code, minor in one.invoice_limits.items()],
    )


def _card(code: str) -> parties.RoleCard:
    found = next((one for one in parties.roles() if one.code == code), None)
    if found is None:
        raise ApiRefused("not_found", status=404, field="code")
    return found


def _asker(request: HttpRequest) -> dict[str, Any]:
    return {"actor": request.principal.actor, "now": request.now}


def _granter(request: HttpRequest) -> dict[str, Any]:
    return {
        "granter": request.principal.rights,
        "actor": request.principal.actor,
        "now": datetime.now(UTC),
    }
