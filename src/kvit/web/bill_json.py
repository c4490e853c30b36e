"""The JSON answer of `kvit bill`: a contract, `docs/reference/company-folder.md`."""

from decimal import Decimal
from typing import Any

from kvit.core.money import minor_text
from kvit.integrations.port import Fault, Notice
from kvit.invoicing.rows import InvoiceInfo, LineInfo
from kvit.web.billing import BillAnswer
from kvit.web.called import typeable


def document(answer: BillAnswer, period: str, lang: str) -> dict[str, Any]:
    """Return what is printed. Fields beyond the contract's: kind, act, drafts, notices,
    put_off, earlier."""
    return {
        "period": period,
        "invoices": [_invoice(one, answer) for one in answer.issued],
        "drafts": [_invoice(one, answer) for one in answer.drafts],
        "faults": [fault_document(one, lang) for one in answer.faults],
        "notices": [fault_document(one, lang) for one in answer.notices],
        "waiting": answer.waiting,
        "unchanged": answer.unchanged,
        "put_off": answer.put_off,
        "earlier": [
            {"period": f"{one.month:%Y-%m}", "subscriptions": one.subscriptions}
            for one in answer.earlier
        ],
    }


def fault_document(fault: Fault | Notice, lang: str) -> dict[str, Any]:
    """Return a fault or a notice with its texts in the reader's language."""
    return {
        "code": fault.code,
        "file": fault.place.file,
        "row": fault.place.row,
        "field": fault.place.field,
        "message": fault.message(lang),
        "remedy": typeable(fault.remedy(lang)),
    }


def _invoice(info: InvoiceInfo, answer: BillAnswer) -> dict[str, Any]:
    papers = answer.papers
    pdf = papers.pdfs.get(info.id) if papers else None
    act = papers.acts.get(info.id) if papers else None
    return {
        "number": info.number,
        "kind": info.kind,
        "customer": answer.customers[info.customer_id],
        "currency": info.currency,
        "net": minor_text(info.net_minor, info.currency),
        "vat": minor_text(info.vat_minor, info.currency),
        "total": minor_text(info.total_minor, info.currency),
        "pdf": None if pdf is None else str(pdf),
        "act": None if act is None else str(act),
        "new": info.id in answer.new,
        "lines": [_line(line, info.currency) for line in info.lines],
    }


def _line(line: LineInfo, currency: str) -> dict[str, str]:
    return {
        "subscription": line.subscription,
        "price": line.price,
        "name": line.name,
        "units": decimal_text(line.units),
        "net": minor_text(line.net_minor, currency),
        "vat": minor_text(line.vat_minor, currency),
        "total": minor_text(line.total_minor, currency),
    }


def decimal_text(units: Decimal) -> str:
    """Write a stored decimal without trailing zeros and without an exponent."""
    text = f"{units:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
