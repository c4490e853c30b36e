"""A process of the former version: it runs this file, and imports its own code by PYTHONPATH.

    PYTHONPATH=former/src python -P former.py

It is told where it works by its first line, `{"access": …, "files": …}`, and by further ones what
to do, `{"do": "work", "database": …}`; it answers each of these with a line when it is done. What
it calls of Kvit stands in both versions.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

PAUSE_S = 0.05
LEFT = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"


def make(*, payers: int) -> dict[str, int]:
    """Make the database by this version's migrations, a company, and its bills of October."""
    from kvit.platform.migrate import migrate_as_owner
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.prove import company

    migrate_as_owner()
    company.make(payers, events=1)
    with tenant_scope(company.tenant().id):
        company.bill(chunk=500)
        return {"invoices": company.number("SELECT count(*) FROM invoicing_invoice")}


def intake(*, places: list[int]) -> dict[str, int]:
    """Take usage of November in; how much of it was new."""
    from kvit.metering import services as metering
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.prove import company

    with tenant_scope(company.tenant().id):
        told = metering.ingest(usage(places), source="meter", actor=company.ACTOR,
                               now=company.LATER)  # fmt: skip
    return {"accepted": told.accepted, "repeated": told.repeated}


def usage(places: list[int]) -> list[Any]:
    """A call of the first of November for each of these customers."""
    from datetime import timedelta

    from kvit.web.prove import company

    later = timedelta(days=company.OCTOBER.days)
    found = (company.event(place, 1, day=1) for place in places)
    return [one._replace(time=one.time + later) for one in found]


def work() -> dict[str, int]:
    """Work beside whoever else does, until nothing is left; how many parts were rated here."""
    from kvit.platform import jobs
    from kvit.rating import services as rating
    from kvit.web.prove import company

    right, rated = rating.rate_many, []

    def rate_many(*given: Any, **named: Any) -> Any:
        rated.append(1)
        return right(*given, **named)

    rating.rate_many = rate_many
    try:
        while company.number(LEFT):
            jobs.work_once()
            time.sleep(PAUSE_S)  # the rest is another's
    finally:
        rating.rate_many = right
    return {"rated": len(rated)}


DOES = {one.__name__: one for one in (make, intake, work)}


def main() -> None:
    given = json.loads(sys.stdin.readline())
    from kvit.platform import files
    from kvit.platform.db import roles

    access = given["access"]
    roles.use(roles.Access(**access))
    files.use(Path(given["files"]))
    os.environ["DJANGO_SETTINGS_MODULE"] = "kvit.web.settings"
    import django

    django.setup()
    from kvit.web.prove.ground import close, point

    for line in sys.stdin:
        asked = json.loads(line)
        does = DOES[asked.pop("do")]
        point(roles.Access(**{**access, "database": asked.pop("database")}))
        answer = does(**asked)
        close()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
