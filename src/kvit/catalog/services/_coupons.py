"""Coupons: used once by whoever gives their code."""

from datetime import date

from django.db import transaction

from kvit.catalog import queries
from kvit.catalog.models import Coupon
from kvit.catalog.rows import CouponTerms


class CouponRefused(Exception):
    """The coupon is unknown, not taken yet, expired or used up: see `code`."""

    def __init__(self, code: str, coupon: str) -> None:
        super().__init__(f"{coupon}: {code}")
        self.code, self.coupon = code, coupon


@transaction.atomic
def redeem(code: str, *, on: date) -> CouponTerms:
    """Use a coupon once and return what it gives. Its row is held until commit.

    Raises:
        CouponRefused: "unknown", "early", "expired" or "used_up"; nothing was redeemed.
    """
    coupon = Coupon.objects.select_for_update().filter(code=code).first()
    if coupon is None:
        raise CouponRefused("unknown", code)
    if coupon.starts_on is not None and on < coupon.starts_on:
        raise CouponRefused("early", code)
    if coupon.expires_on is not None and on >= coupon.expires_on:
        raise CouponRefused("expired", code)
    if coupon.limit is not None and coupon.redeemed >= coupon.limit:
        raise CouponRefused("used_up", code)
    Coupon.objects.filter(pk=coupon.pk).update(redeemed=coupon.redeemed + 1)
    return queries.coupons()[code]
