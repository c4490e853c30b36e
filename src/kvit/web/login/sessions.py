"""Sessions in the database, sealed: a dump of the tables does not tell what is in them.

A session holds the secret of an authenticator app while it is being set up.
"""

import json
from typing import Any

from django.contrib.sessions.backends import db

from kvit.platform import sealed

PURPOSE = "session"


class SessionStore(db.SessionStore):
    """Django's store of sessions in the database, with their content sealed."""

    def encode(self, session_dict: dict[str, Any]) -> str:
        return sealed.seal(json.dumps(session_dict), purpose=PURPOSE)

    def decode(self, session_data: str) -> dict[str, Any]:
        """Return what was sealed; what nobody can open is an empty session."""
        try:
            found: dict[str, Any] = json.loads(sealed.open_sealed(session_data, purpose=PURPOSE))
        except (sealed.Unreadable, ValueError):
            return {}
        return found
