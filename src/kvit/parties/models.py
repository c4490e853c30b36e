"""Tables of the parties. Tenants, users, memberships and roles are global: they are read before
any tenant is known. Sellers, branches and customers belong to a tenant.
"""

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length, Lower
from django.db.models.lookups import LessThanOrEqual

from kvit.platform.ids import uuid7
from kvit.platform.tenancy import AppendOnly, TenantModel

LARGEST_LOGO = 1024 * 1024  # bytes; a picture written anew may grow a little


class Tenant(models.Model):
    """A company that bills with Kvit, kept apart from all others by the database."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    code = models.CharField(max_length=80, unique=True)
    name = models.CharField(max_length=500)
    currency = models.CharField(max_length=3)  # of customers that name none
    zone = models.CharField(max_length=60)  # IANA; of customers that name none
    language = models.CharField(max_length=2)
    vat_rounding = models.CharField(max_length=8)
    late_events = models.CharField(max_length=12)
    # Of a machine: its key alone, or with it a signature or a client's certificate.
    machine_factors = models.SmallIntegerField(default=1, db_default=1)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(machine_factors__in=(1, 2)), name="tenant_machine_factors"
            ),
            models.CheckConstraint(
                condition=Q(vat_rounding__in=("document", "line")), name="tenant_vat_rounding"
            ),
            models.CheckConstraint(
                condition=Q(late_events__in=("open_period", "correction")),
                name="tenant_late_events",
            ),
            models.CheckConstraint(condition=Q(language__in=("ru", "en")), name="tenant_language"),
        ]

    def __str__(self) -> str:
        return self.code


class User(AbstractBaseUser):
    """A person of the staff who logs in; what they may do is said by their memberships."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(max_length=254, unique=True)  # in lower case: one account a person
    name = models.CharField(max_length=150, blank=True)
    is_active = models.BooleanField(default=True)

    objects = BaseUserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: list[str] = []

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(email=Lower("email")), name="user_email_lower"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Device(models.Model):
    """A browser that a user has logged in from; of its secret mark the digest is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="devices")
    digest = models.CharField(max_length=64)
    name = models.CharField(max_length=80)
    first_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "digest"], name="device_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Role(models.Model):
    """A named set of rights; a tenant may have its own (`TenantRole`)."""

    code = models.CharField(max_length=40, primary_key=True)
    name_ru = models.CharField(max_length=80)
    name_en = models.CharField(max_length=80)

    def __str__(self) -> str:
        return self.code


class RoleRight(models.Model):
    """One right of a role, such as `invoices.approve`, where the tenant says nothing else."""

    role = models.ForeignKey(Role, on_delete=models.CASCADE, related_name="rights")
    right = models.CharField(max_length=60)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["role", "right"], name="role_right_once"),
        ]

    def __str__(self) -> str:
        return f"{self.role_id}: {self.right}"


class TenantRole(models.Model):
    """The rights that a role has in one tenant, in place of those of the installation."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_column="tenant")
    role = models.ForeignKey(Role, on_delete=models.PROTECT)
    rights = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "role"], name="tenant_role_once"),
        ]

    def __str__(self) -> str:
        return self.role_id


class Membership(models.Model):
    """A user's role in a tenant. Read anew at each request, always by user."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    # Not the column `tenant_id`: that name makes a table a tenant's, hidden before the login.
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_column="tenant")
    role = models.ForeignKey(Role, on_delete=models.PROTECT)
    branch = models.CharField(max_length=80, blank=True, default="", db_default="")  # its code

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "tenant", "role", "branch"], name="membership_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role_id}"


class Seller(TenantModel):
    """A legal entity that issues invoices, with its requisites and billing policies."""

    code = models.CharField(max_length=80)
    name = models.CharField(max_length=500)
    inn = models.CharField(max_length=12, blank=True)
    kpp = models.CharField(max_length=9, blank=True)
    ogrn = models.CharField(max_length=15, blank=True)
    vat = models.CharField(max_length=8)  # a tax code: "auto", "10", "0", "none", "usn5", "usn7"
    price_basis = models.CharField(max_length=5)
    account = models.CharField(max_length=34, blank=True)
    bank = models.CharField(max_length=500, blank=True)
    bik = models.CharField(max_length=9, blank=True)
    correspondent = models.CharField(max_length=34, blank=True)
    address = models.CharField(max_length=500, blank=True)
    signer = models.CharField(max_length=500, blank=True)
    series = models.CharField(max_length=80)  # the pattern of an invoice's number
    split = models.CharField(max_length=10, blank=True)  # "service": an invoice a service
    approval = models.BooleanField()  # drafts wait for a person before they are issued
    vat_rounding = models.CharField(max_length=8, blank=True)  # "" is the tenant's
    # Drafts wait for another person than the one who made them.
    four_eyes = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "code"], name="seller_code_unique"),
            models.CheckConstraint(
                condition=Q(price_basis__in=("net", "gross")), name="seller_price_basis"
            ),
            models.CheckConstraint(condition=Q(split__in=("", "service")), name="seller_split"),
            models.CheckConstraint(
                condition=Q(vat_rounding__in=("", "document", "line")), name="seller_vat_rounding"
            ),
        ]

    def __str__(self) -> str:
        return self.code


class Logo(AppendOnly, TenantModel):
    """A picture that was handed in as a logo, as it was written anew; kept under its hash.

    It stays when another takes its place: a change can be taken back.
    """

    digest = models.CharField(max_length=64)
    kind = models.CharField(max_length=3)
    width = models.IntegerField()
    height = models.IntegerField()
    content = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "digest"], name="logo_once"),
            models.CheckConstraint(condition=Q(kind__in=("png", "svg")), name="logo_kind"),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("content"), LARGEST_LOGO), name="logo_size"
            ),
        ]

    def __str__(self) -> str:
        return self.digest


class Brand(TenantModel):
    """How a seller's documents look: a colour that can be read on paper, a logo."""

    seller = models.ForeignKey(Seller, on_delete=models.CASCADE, related_name="+")
    colour = models.CharField(max_length=7, blank=True)  # "#0b57b7"; "": ink
    logo = models.CharField(max_length=64, blank=True)  # the digest of a `Logo`; "": none

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "seller"], name="brand_once_a_seller"),
            models.CheckConstraint(
                condition=Q(colour__regex=r"^(#[0-9a-f]{6})?$"), name="brand_colour"
            ),
        ]

    def __str__(self) -> str:
        return str(self.seller_id)


class RoleLimit(TenantModel):
    """Up to which sum a role decides by itself; see `parties.limits`."""

    role = models.CharField(max_length=40)
    # What it decides: "correct" is about corrections, "approve" about invoices of a run.
    act = models.CharField(max_length=8, default="correct", db_default="correct")
    currency = models.CharField(max_length=3)
    minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "role", "act", "currency"], name="role_limit_once_an_act"
            ),
            models.CheckConstraint(
                condition=Q(act__in=("correct", "approve")), name="role_limit_act"
            ),
            models.CheckConstraint(condition=Q(minor__gte=0), name="role_limit_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.role}: {self.minor} {self.currency}"


class ListView(TenantModel):
    """A list as somebody keeps it; the one without a name is what its owner last chose.

    See `parties.list_views`. Of the nameless, `query` has the columns, `opens` the first view.
    """

    list = models.CharField(max_length=60)
    owner = models.CharField(max_length=80)  # "user:<id>" or "key:<id>"
    name = models.CharField(max_length=80, blank=True)
    query = models.CharField(max_length=2000, blank=True)
    is_shared = models.BooleanField(default=False)
    opens = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "list", "owner", "name"],
                condition=Q(removed_at=None),
                name="list_view_name_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant_id", "list"],
                condition=Q(is_shared=True, removed_at=None),
                name="list_view_shared",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.list}: {self.name}"


class Branch(TenantModel):
    """A site of a seller."""

    code = models.CharField(max_length=80)
    name = models.CharField(max_length=500)
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="branches")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "code"], name="branch_code_unique"),
        ]

    def __str__(self) -> str:
        return self.code


class Customer(TenantModel):
    """Who is billed. Everywhere else its id stands for it: names are kept here alone."""

    reached_by = "id"

    code = models.CharField(max_length=80)
    name = models.CharField(max_length=500)
    kind = models.CharField(max_length=7)
    inn = models.CharField(max_length=12, blank=True)
    kpp = models.CharField(max_length=9, blank=True)
    email = models.CharField(max_length=254, blank=True)
    phone = models.CharField(max_length=40, blank=True)
    address = models.CharField(max_length=500, blank=True)
    ogrn = models.CharField(max_length=15, blank=True, db_default="")
    bank = models.CharField(max_length=200, blank=True, db_default="")
    bik = models.CharField(max_length=9, blank=True, db_default="")
    account = models.CharField(max_length=20, blank=True, db_default="")
    correspondent = models.CharField(max_length=20, blank=True, db_default="")
    zone = models.CharField(max_length=60, blank=True)  # "" is the tenant's
    currency = models.CharField(max_length=3, blank=True)  # "" is the tenant's
    payer = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="payees")
    segment = models.CharField(max_length=80, blank=True)
    branch = models.CharField(max_length=80, blank=True)  # a branch's code
    search = models.TextField(blank=True)  # lower case, what a person may look for
    # What lists are sorted by: the name in lower case without «ООО» and quotes, in byte order.
    sort_name = models.CharField(max_length=120, blank=True, db_default="", db_collation="C")
    personal = models.CharField(max_length=64)  # the digest of its present PersonalImage

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "code"], name="customer_code_unique"),
            models.CheckConstraint(
                condition=Q(kind__in=("company", "sole", "person")), name="customer_kind"
            ),
            models.CheckConstraint(
                condition=Q(payer__isnull=True) | ~Q(payer=F("id")), name="customer_not_own_payer"
            ),
        ]
        indexes = [
            models.Index(fields=["tenant_id", "sort_name", "id"], name="customer_by_name"),
            models.Index(fields=["tenant_id", "inn"], condition=~Q(inn=""), name="customer_by_inn"),
            *(
                models.Index(
                    fields=["tenant_id", name],
                    condition=~Q(**{name: ""}),
                    name=f"customer_by_{name}",
                )
                for name in ("segment", "currency")
            ),
        ]

    def __str__(self) -> str:
        return self.code


class SearchKey(TenantModel):
    """A beginning of a word by which a customer is found (`core.searching`).

    Looked up with = and < alone, which PostgreSQL takes for leak-proof: under row-level security it
    uses the index for them, and no other, trigrams included.
    """

    reached_by = "customer_id"

    id = models.BigAutoField(primary_key=True)
    customer_id = models.UUIDField()  # no foreign key: a check a row, for rows made with it
    key = models.CharField(max_length=80, db_collation="C")

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "key", "customer_id"], name="search_by_key"),
            models.Index(fields=["tenant_id", "customer_id"], name="search_of_customer"),
        ]

    def __str__(self) -> str:
        return self.key


class CustomerNote(AppendOnly, TenantModel):
    """What somebody of the staff wrote down about a customer."""

    reached_by = "customer_id"

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    text = models.TextField()
    author = models.CharField(max_length=80)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(text=""), name="note_not_empty")]
        indexes = [models.Index(fields=["tenant_id", "customer", "at", "id"], name="note_by_time")]

    def __str__(self) -> str:
        return str(self.at)


class PersonalImage(TenantModel):
    """The personal fields of a customer, as an audit row means them by their digest.

    Audit rows are kept for ever and hold only the salted digest. When a person is forgotten these
    rows go, and with the salt the last tie between the digest and the person.
    """

    reached_by = "customer_id"

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="images")
    digest = models.CharField(max_length=64)
    salt = models.CharField(max_length=32)
    fields = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "digest"], name="personal_digest_unique"),
        ]

    def __str__(self) -> str:
        return self.digest


class ApiKey(models.Model):
    """A machine's way in: found by its prefix, proved by a secret that only its holder has.

    Of the secret a salted digest is kept. What signs requests must be known to both sides, so it
    is kept sealed.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_column="tenant")
    name = models.CharField(max_length=120)
    prefix = models.CharField(max_length=16, unique=True)
    salt = models.CharField(max_length=32)
    digest = models.CharField(max_length=64)
    signing = models.CharField(max_length=200)
    certificate = models.CharField(max_length=64, blank=True)  # SHA-256 of a client's, in hex
    rights = models.JSONField()
    made_by = models.CharField(max_length=80)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)  # rotated: until then both keys open
    revoked_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)  # to the minute
    used_from = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "-made_at", "-id"], name="api_key_by_tenant")]

    def __str__(self) -> str:
        return self.prefix


class ApiNonce(models.Model):
    """A signed request that was let in, so that it is not let in again."""

    id = models.BigAutoField(primary_key=True)
    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE)
    nonce = models.CharField(max_length=80)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "nonce"], name="api_nonce_once"),
        ]
        indexes = [models.Index(fields=["at"], name="api_nonce_by_time")]

    def __str__(self) -> str:
        return self.nonce
