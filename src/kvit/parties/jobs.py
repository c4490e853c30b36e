"""Mails that alarm: somebody tried to change prices without the right to; the journal is signed."""

import logging
from datetime import datetime

from django.core.mail import EmailMessage

from kvit.core.wording import Words, say
from kvit.parties import queries
from kvit.platform import settings
from kvit.platform.audit_signed import JOURNAL
from kvit.platform.jobs import every_minute, job
from kvit.platform.tenancy import current_tenant_id, tenant_scope
from kvit.platform.tlog import LogDamaged

_log = logging.getLogger("kvit.parties")
WORDS: Words = {
    "subject": (
        "Kvit: попытка изменить цены без права",
        "Kvit: an attempt to change prices without the right",
    ),
    "text": (
        "{who} пытается сделать то, на что нет права «{right}».\n\nГде: {what}\nОткуда: {origin}"
        "\n\nНичего не изменилось. Что именно отправлено, записано в журнале: действие"
        " attempt.refused.",
        "{who} tries to do what needs the right “{right}”.\n\nWhere: {what}\nFrom: {origin}"
        "\n\nNothing was changed. What was sent is in the journal: the action attempt.refused.",
    ),
}


@job(name="parties.alarm")
def alarm(*, who: str, right: str, what: str, origin: str, now: datetime) -> None:
    """Tell who reads the journal of the company; a mail each, so that none sees the others."""
    lang = queries.tenant().row.language
    words = {
        "who": queries.actor_names([who]).get(who, who),
        "right": queries.right_words(right, lang),
        "what": what,
        "origin": origin,
    }
    for address in watchers():
        EmailMessage(
            say(WORDS, "subject", lang), say(WORDS, "text", lang, **words), to=[address]
        ).send()


@job(name="parties.journal")
def sign_journal(*, now: datetime) -> None:
    """Write what was done in the company in scope into its signed log."""
    JOURNAL.append(beside=settings.load().checkpoints)


@every_minute(name="parties.journal_all")
def sign_journals() -> None:
    """Leave a job for each company in which something was done."""
    for one in queries.tenants():
        with tenant_scope(one.id):
            try:
                if JOURNAL.is_behind():
                    sign_journal.defer_once(key=f"parties.journal {one.id}")
            except LogDamaged as error:  # others are signed all the same
                _log.error("%s: %s", one.row.code, error)


def watchers() -> list[str]:
    """Return the addresses of those who may read the journal of the tenant in scope."""
    tenant_id = current_tenant_id()
    of_role = queries.role_rights([tenant_id])[tenant_id]
    return [
        one.email
        for one in queries.members()
        if one.is_active
        and any("audit.read" in of_role[role] for role, branch in one.held if not branch)
    ]
