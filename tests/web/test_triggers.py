"""Bills that start themselves are set up on a page: shown first, told at their fields, put off."""

from kvit.catalog.services import CatalogueIn, publish
from kvit.core.catalogue import Meter
from kvit.invoicing import queries
from kvit.invoicing.rows import TriggerRow
from kvit.platform.models import AuditRow
from tests.web.conftest import Office

NEW = "/office/settings/triggers/new/"
MONTH = {"code": "month", "kind": "schedule", "day": "3", "time": "06:00", "is_on": "on"}


def rows() -> list[TriggerRow]:
    return [one.row for one in queries.triggers()]


def test_a_schedule_is_set_up_shown_and_put_off(office: Office) -> None:
    owner = office("owner")
    sent = MONTH | {"seen": owner.get(NEW).context["seen"], "units": "5", "reason": "r"}
    assert owner.post(NEW, sent).status_code == 200
    assert rows() == []
    assert owner.post(NEW, sent | {"confirm": "1"}).status_code == 302
    standing = TriggerRow("month", "schedule", day=3, time="06:00")
    assert rows() == [standing]  # a schedule has no units, whatever was typed
    shown = office("accountant").get("/office/settings/triggers/").content.decode()
    assert "День 3 в 06:00. Прошедший месяц." in shown
    page = "/office/settings/triggers/month/"
    off = {"kind": "schedule", "day": "3", "time": "06:00", "confirm": "1"}
    assert owner.post(page, off | {"seen": owner.get(page).context["seen"]}).status_code == 302
    assert rows() == [TriggerRow("month", "schedule", day=3, time="06:00", is_on=False)]
    assert AuditRow.objects.filter(action="invoicing.trigger.stated").count() == 2
    again = owner.post(NEW, sent | {"confirm": "1"})
    assert (again.status_code, list(again.context["form"].errors)) == (422, ["code"])


def test_what_cannot_be_is_told_at_its_field(office: Office, now: object) -> None:
    publish(CatalogueIn(meters=(Meter("calls", "Вызовы", "", "sum"),)), actor="t", now=now)  # type: ignore[arg-type]
    owner = office("owner")
    seen = owner.get(NEW).context["seen"]
    for fields, wrong in (
        ({"kind": "schedule", "day": "0"}, "day"),
        ({"kind": "threshold", "meter": "calls", "units": "0"}, "units"),
        ({"kind": "event", "event": ""}, "event"),
        ({"kind": "threshold", "meter": "unknown"}, "meter"),
    ):
        sent = {"code": "a", "seen": seen, "confirm": "1", "is_on": "on"} | fields
        answer = owner.post(NEW, sent)
        assert (answer.status_code, list(answer.context["form"].errors)) == (422, [wrong])
    assert rows() == []
    assert office("accountant").post(NEW, MONTH).status_code == 403
