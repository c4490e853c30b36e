"""Bring the standing triggers to what the folder states."""

from dataclasses import asdict
from datetime import datetime

from django.db import transaction

from kvit.integrations.port import CompanyFolder, Fault, TriggerRow
from kvit.integrations.services._merge import Wanted, merge, remember
from kvit.integrations.services._objects import REASON
from kvit.invoicing import queries as invoicing
from kvit.invoicing import services as invoicing_services
from kvit.invoicing.rows import TriggerRow as Stated


@transaction.atomic
def apply_triggers(
    folder: CompanyFolder, *, take_folder: bool, actor: str, now: datetime
) -> list[Fault]:
    """State the triggers; return the conflicts.

    Args:
        now: the real time: what was due before a trigger was set up is not made up for, whatever
            month the folder bills.
    """
    wanted = [_wanted(row) for row in folder.triggers]
    present = {one.row.code: asdict(one.row) for one in invoicing.triggers()}
    merged = merge("trigger", wanted, present, take_folder=take_folder)
    rows = [one.row for one in merged.write]
    if rows:
        invoicing_services.state_triggers(rows, actor=actor, now=now, reason=REASON)
    remember("trigger", merged.write)
    return merged.faults


def _wanted(row: TriggerRow) -> Wanted[Stated]:
    said = asdict(row)
    place = row.place
    del said["place"]
    return Wanted(row.code, said, Stated(**said), place)
