"""States as people see them: word, icon and shape; the colour only repeats what they say."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


@dataclass(frozen=True, slots=True)
class State:
    """`look` names the class of the badge: draft, waiting, issued, paid, overdue, faulty, void."""

    word: "Promise | str"
    icon: str
    look: str


STATES = {
    "draft": State(_("Draft"), "pencil", "draft"),
    "approval": State(_("Waits for approval"), "hourglass", "waiting"),
    "limit": State(_("Above the author's limit"), "hourglass", "waiting"),
    "outlier": State(_("Unusual sum"), "hourglass", "waiting"),
    "waiting": State(_("Waits for data"), "hourglass", "waiting"),
    "issued": State(_("Issued"), "file-text", "issued"),
    "corrected": State(_("Corrected"), "file-diff", "issued"),
    "void": State(_("Void"), "slash", "void"),
    "running": State(_("Running"), "player-play", "waiting"),
    "done": State(_("Done"), "check", "paid"),
    "stopped": State(_("Stopped"), "player-stop", "void"),
    "faulty": State(_("Calculation error"), "alert-triangle", "faulty"),
    "active": State(pgettext_lazy("subscription", "Active"), "check", "paid"),
    "opens": State(pgettext_lazy("of a key", "Active"), "check", "paid"),
    "expired": State(pgettext_lazy("of a key", "Expired"), "slash", "void"),
    "future": State(_("Not started yet"), "clock", "waiting"),
    "paused": State(_("Paused"), "player-pause", "overdue"),
    "ending": State(_("Ends"), "clock", "overdue"),
    "ended": State(_("Ended"), "slash", "void"),
    "published": State(_("In force"), "check", "paid"),
    "obsolete": State(_("Obsolete"), "archive", "void"),
    "billed": State(_("Billed"), "check", "paid"),
    "accepted": State(_("Accepted"), "check", "issued"),
    "repeat": State(_("Repeat"), "copy", "draft"),
    "rejected": State(_("Rejected"), "alert-triangle", "faulty"),
    "conflict": State(_("In dispute"), "alert-triangle", "overdue"),
    "retracted": State(_("Retracted"), "slash", "void"),
    "listening": State(_("Listening"), "check", "paid"),
    "paused-endpoint": State(pgettext_lazy("address", "Paused"), "player-pause", "overdue"),
    "delivered": State(_("Delivered"), "check", "paid"),
    "failed": State(_("Not delivered"), "alert-triangle", "faulty"),
    "retry": State(_("Will be tried again"), "clock", "waiting"),
    "revoked": State(_("Revoked"), "slash", "void"),
}


def word(code: str) -> "Promise | str":
    """Return what a state is called."""
    return STATES[code].word


# Why a message to an address outside got no answer (`kvit.integrations.outbound.REASONS`).
UNSENT = {
    "address_refused": _("The address leads into a private network: it is not called."),
    "name_unknown": _("The name of the server is not known to DNS."),
    "no_connection": _("The server takes no connection."),
    "tls_failed": _("The certificate of the server cannot be trusted."),
    "timeout": _("The server did not answer in time."),
    "no_answer": _("The connection ended without an answer."),
}
