"""What a company folder says, as frozen rows, and what is wrong with it, as faults.

An adapter reads the files and answers with these types; the import plans from them. Nothing here
knows a file format, and no row is half read: what could not be understood is a fault and stands
in `CompanyFolder.held`.
"""

from kvit.integrations.port._faults import (
    REMEDIES,
    WORDS,
    Fault,
    NoCompanyFolder,
    Notice,
    Place,
)
from kvit.integrations.port._folder import CompanyFolder, UsageRow, UsageSource
from kvit.integrations.port._rows import (
    CHANGES,
    CalendarRow,
    ChangeRow,
    CompanyRow,
    CouponRow,
    CustomerRow,
    DiscountRow,
    MeterRow,
    PlanRow,
    PriceRow,
    SellerRow,
    SubscriptionRow,
    TriggerRow,
)

__all__ = [
    "CHANGES",
    "REMEDIES",
    "WORDS",
    "CalendarRow",
    "ChangeRow",
    "CompanyFolder",
    "CompanyRow",
    "CouponRow",
    "CustomerRow",
    "DiscountRow",
    "Fault",
    "MeterRow",
    "NoCompanyFolder",
    "Notice",
    "Place",
    "PlanRow",
    "PriceRow",
    "SellerRow",
    "SubscriptionRow",
    "TriggerRow",
    "UsageRow",
    "UsageSource",
]
