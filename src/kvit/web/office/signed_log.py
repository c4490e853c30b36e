"""The signed logs, of postings and of the journal: how far they are signed, whether they hold what
somebody kept, proofs."""

import io
import zipfile

from django import forms
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext_lazy

from kvit.invoicing import queries as invoicing
from kvit.ledger import queries
from kvit.platform.audit_signed import JOURNAL
from kvit.platform.failures import Failure
from kvit.platform.row_log import RowLog
from kvit.web.forms import FilterForm
from kvit.web.routes import page
from kvit.web.tags import lang


class KeptForm(FilterForm):
    """A checkpoint that was kept elsewhere; whether it was signed by us is checked here."""

    checkpoint = forms.CharField(
        label=gettext_lazy("A checkpoint that was kept elsewhere"), max_length=4000, strip=False,
        widget=forms.Textarea({"rows": 6, "class": "form-control mono", "spellcheck": "false"}),
    )  # fmt: skip

    agrees: bool | None = None

    def clean_checkpoint(self) -> str:
        text: str = self.cleaned_data["checkpoint"].replace("\r\n", "\n").strip()
        if text:
            try:
                self.agrees = _kept_in(text).agrees(f"{text}\n")
            except Failure as error:
                raise forms.ValidationError(error.text(lang())) from None
        return text


def _kept_in(note: str) -> RowLog:
    """Return of which log a checkpoint is: its first line names it."""
    return JOURNAL if note.startswith(f"kvit/{JOURNAL.name}/") else queries.BOOKS


class NumberForm(FilterForm):
    """A document whose postings shall be proved."""

    number = forms.CharField(label=gettext_lazy("Number of the document"), max_length=80)


@page("ledger/log/", name="signed-log", right="books.read")
def signed_log(request: HttpRequest) -> HttpResponse:
    """How many postings are signed; whether the log begins with what somebody kept."""
    faults = [fault for rows in (queries.BOOKS, JOURNAL) if (fault := rows.fault()) is not None]
    if faults:
        told = {"faults": [fault.text(lang()) for fault in faults]}
        return render(request, "office/ledger/signed_log.html", told)
    log, form = queries.log_of_books(), KeptForm(request.GET)
    form.is_valid()
    journal = JOURNAL.log()
    context = {
        "journal": {
            "head": journal.head(), "note": journal.note(), "key": str(journal.signer.verifier),
        },
        "head": log.head(), "note": log.note(), "key": str(log.signer.verifier), "form": form,
        "agrees": form.agrees, "proof_form": NumberForm(),
    }  # fmt: skip
    return render(request, "office/ledger/signed_log.html", context)


@page("ledger/log/checkpoint.txt", name="signed-log-checkpoint", right="books.read")
def checkpoint(request: HttpRequest) -> HttpResponseBase:
    """The newest checkpoint as it was signed, to be kept elsewhere."""
    return _note(queries.BOOKS)


@page("ledger/log/journal.txt", name="signed-journal-checkpoint", right="audit.read")
def journal_checkpoint(request: HttpRequest) -> HttpResponseBase:
    """The same of the journal of actions."""
    return _note(JOURNAL)


def _note(rows: RowLog) -> HttpResponseBase:
    note = rows.log().note() or ""
    name = "checkpoint.txt" if rows is queries.BOOKS else "journal-checkpoint.txt"
    return FileResponse(
        io.BytesIO(note.encode()), as_attachment=True, filename=name,
        content_type="text/plain; charset=utf-8",
    )  # fmt: skip


@page("ledger/log/proof.zip", name="signed-log-proof", right="books.read")
def proof(request: HttpRequest) -> HttpResponseBase:
    """A proof for each posting of a document."""
    number = NumberForm(request.GET).asked().get("number", "")
    found = invoicing.by_number(number)
    proofs = queries.proofs_of(f"invoice:{found[0].id}" if found else number)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for line, one in enumerate(proofs, 1):
            packed.writestr(f"{line}.tlog-proof", one.text)
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename="proof.zip")
