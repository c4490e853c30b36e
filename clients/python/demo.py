"""An integrator's first invoice: from an empty company to a corrected document, over the API alone.

    KVIT_URL=http://127.0.0.1:8000 KVIT_KEY=kvit_… python demo.py [2026-10-01]

The argument is a day of the month to bill; it must be over by the company's clock. A worker must
be running (`kvit serve` starts one). Started again, it changes nothing.
"""

import os
import sys
import time

from kvit_client import Kvit, KvitError

MONTH = (sys.argv[1] if len(sys.argv) > 1 else "2026-10-01")[:7]
kvit = Kvit(os.environ["KVIT_URL"], os.environ["KVIT_KEY"])


def main() -> None:
    prepare()
    events = [
        {"id": f"{MONTH}-{day}", "subscription": "demo-1", "meter": "demo_calls", "value": value,
         "time": f"{MONTH}-{day}T12:00:00+03:00"}
        for day, value in (("05", "100000"), ("15", "200000"), ("25", "320000"))
    ]  # fmt: skip
    first, again = kvit.send_events(events), kvit.send_events(events)
    print(f"events: {first['accepted']} accepted; sent again: {again['accepted']} accepted,"
          f" {again['repeated']} repeated")  # fmt: skip
    invoice = bill()
    print(
        f"invoice {invoice['number']}: {invoice['total']['amount']} {invoice['total']['currency']}"
    )
    why = kvit.explain_invoice_line(invoice["id"], "1")
    print(f"line 1 computed again: {'agrees' if why['agrees'] else 'DIFFERS'}")
    correct(invoice["id"])


def prepare() -> None:
    """Who bills, what is sold, who buys it: each is stated, so a repeat changes nothing."""
    kvit.save_seller("demo", {"name": "ООО «Демо»"}, once="demo-seller")
    if not any(one["code"] == "demo" for one in kvit.read_catalogue()["plans"]):
        kvit.publish_catalogue({
            "meters": [{"code": "demo_calls", "name": "Вызовы API", "unit": "вызов"}],
            "plans": [{"code": "demo", "name": "Демо", "seller": "demo"}],
            "prices": [
                {"plan": "demo", "code": "fee", "name": "Абонентская плата",
                 "price": {"model": "flat", "amount": "10000.00"}},
                {"plan": "demo", "code": "calls", "name": "Вызовы API", "meter": "demo_calls",
                 "price": {"model": "graduated", "tiers": [
                     {"up_to": "100000", "unit": "0"}, {"up_to": "500000", "unit": "0.02"},
                     {"up_to": None, "unit": "0.015"}]},
                 "examples": [{"units": "620000", "amount": "9800.00"}]},
            ],
            "reason": "demo",
        })  # fmt: skip
    kvit.create_customer({"code": "demo", "name": "ООО «Ромашка»"}, once="demo-customer")
    kvit.open_subscription(
        {"code": "demo-1", "customer": "demo", "plan": "demo", "start": f"{MONTH}-01"},
        once="demo-subscription",
    )


def bill() -> dict:
    """Order the run, wait for the worker, and return the invoice."""
    run = kvit.start_run({"period": f"{MONTH}-01", "action": "bill"}, once=f"demo-run-{MONTH}")
    while run["status"] in ("queued", "running"):
        time.sleep(0.3)
        run = kvit.read_run(run["id"])
    print(f"run: {run['status']}")
    listed = kvit.pages(kvit.list_invoices, customer="demo", order="day")
    return next(one for one in listed if one["kind"] == "invoice")


def correct(invoice: str) -> None:
    """Credit 1 000.00 of the fee: look at it, then make exactly that."""
    lines = kvit.read_invoice(invoice)["lines"]
    fee = next(one["position"] for one in lines if one["name"] == "Абонентская плата")
    wanted = {"way": "credit", "lines": [{"line": fee, "amount": "1000.00"}]}
    seen = kvit.preview_correction(invoice, wanted)
    total = seen["after"]["total"]
    try:
        made = kvit.correct_invoice(
            invoice, {**wanted, "token": seen["token"], "reason": "простой"}, once=f"fix-{invoice}"
        )
    except KvitError as error:  # started again: this key has corrected it already
        print(f"corrected before: {error.code}")
    else:
        print(f"corrected by {made['number']}: {total['amount']} {total['currency']} is left")


if __name__ == "__main__":
    main()
