"""Outgoing mail: by the operator's server, or into a folder of the data where none is set.

A mail that cannot be sent never undoes what it tells of: the failure is logged without its text.
"""

import logging
import smtplib
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.filebased import EmailBackend as ToFolder
from django.core.mail.backends.smtp import EmailBackend as ToServer

from kvit.platform import settings

TIMEOUT_S = 15
_log = logging.getLogger("kvit.mail")


class Post(BaseEmailBackend):
    """Django's mail backend of the house."""

    def send_messages(self, email_messages: Sequence[Any]) -> int:
        """Send; returns how many went out."""
        try:
            return int(_way().send_messages(email_messages) or 0)
        except (OSError, smtplib.SMTPException) as error:
            _log.error("mail was not sent: %s", type(error).__name__)
            return 0


def _way() -> Any:
    known = settings.load()
    if known.smtp_url is None:
        folder = known.data / "mail"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return ToFolder(file_path=str(folder))
    parts = urlsplit(known.smtp_url.get_secret_value())
    is_tls = parts.scheme == "smtps"
    return ToServer(
        host=parts.hostname,
        port=parts.port or (465 if is_tls else 587),
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        use_ssl=is_tls,
        use_tls=not is_tls,
        timeout=TIMEOUT_S,
    )
