"""Make a company folder of any size: the same seed gives the same files.

    .venv/bin/python bench/generate.py DIR --subscriptions 20000 --events 300000

One plan of five prices (a fee and four meters: sum, sum, maximum, count) in roubles and Moscow's
time; October 2026. A few subscriptions use far more than the others, as everywhere. `--dirty 0.01`
adds one row in a hundred that must change nothing: repeats of what was sent, rows of a later month
and rows that nobody can read.
"""

import argparse
import csv
import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

PERIOD = "2026-10"
BEGIN = datetime(2026, 10, 1)  # noqa: DTZ001  (times in the files are local)
SECONDS = 31 * 24 * 3600
METERS = ("calls", "messages", "storage", "logins")
COMPANY = """\
[company]
code = "{code}"
name = "ООО «Нагрузка»"
currency = "RUB"
zone = "Europe/Moscow"
language = "ru"

[[seller]]
code = "main"
name = "ООО «Нагрузка»"
"""
CATALOGUE = """\
[[meter]]
code = "calls"
name = "Вызовы"
unit = "вызов"
aggregation = "sum"

[[meter]]
code = "messages"
name = "Сообщения"
unit = "шт."
aggregation = "sum"

[[meter]]
code = "storage"
name = "Хранение, пик"
unit = "ГБ"
aggregation = "max"

[[meter]]
code = "logins"
name = "Входы"
unit = "вход"
aggregation = "count"

[[plan]]
code = "pro"
name = "Профи"
cycle = "month"
anchor = "calendar"

[[plan.price]]
code = "fee"
name = "Абонентская плата"
price = { model = "flat", amount = "990.00" }

[[plan.price]]
code = "calls"
name = "Вызовы"
meter = "calls"
price = { model = "graduated", tiers = [
  { up_to = "1000", unit = "0" }, { up_to = "5000", unit = "0.02" }, { unit = "0.015" } ] }

[[plan.price]]
code = "messages"
name = "Сообщения"
meter = "messages"
price = { model = "per_unit", unit = "0.0375" }

[[plan.price]]
code = "storage"
name = "Хранение"
meter = "storage"
price = { model = "volume", tiers = [ { up_to = "100", unit = "0.5" }, { unit = "0.333" } ] }

[[plan.price]]
code = "logins"
name = "Входы"
meter = "logins"
price = { model = "package", size = "10", amount = "3.10" }
"""


class Event(NamedTuple):
    """A row of usage; `value` is what the file says, readable or not."""

    id: str
    time: str
    subscription: str
    meter: str
    value: str


def events(subscriptions: int, number: int, seed: int) -> Iterator[Event]:
    """Yield the usage of October 2026, in no order."""
    dice = random.Random(seed)
    for n in range(number):
        # Squared twice: one subscription in ten makes more than half of the usage.
        place = int(subscriptions * dice.random() ** 4)
        at = BEGIN + timedelta(seconds=dice.randrange(SECONDS))
        meter = METERS[dice.randrange(len(METERS))]
        value = "1" if meter == "logins" else f"{dice.randrange(1, 400_000) / 1000:.3f}"
        yield Event(f"e{n}", at.isoformat(), f"s{place}", meter, value)


def dirty(clean: Sequence[Event], share: float, seed: int) -> list[Event]:
    """Mix rows in that must change nothing."""
    dice = random.Random(seed + 1)
    rows = list(clean)
    for n in range(int(len(clean) * share)):
        one = dice.choice(clean)
        late = one._replace(id=f"next{n}", time="2026-11-02T10:00:00")
        unreadable = one._replace(id=f"bad{n}", value="12 штук")
        rows.append((one, late, unreadable)[n % 3])
    dice.shuffle(rows)
    return rows


def generate(
    directory: Path,
    *,
    subscriptions: int,
    number: int,
    seed: int = 1,
    share: float = 0.0,
    code: str = "load",
) -> Path:
    """Write the folder; one customer has one subscription."""
    (directory / "usage").mkdir(parents=True, exist_ok=True)
    (directory / "company.toml").write_text(COMPANY.format(code=code), "utf-8")
    (directory / "catalogue.toml").write_text(CATALOGUE, "utf-8")
    with (directory / "customers.csv").open("w", encoding="utf-8", newline="") as out:
        out.write("code,name,kind\n")
        out.writelines(f"c{n},ООО «Клиент {n}»,company\n" for n in range(subscriptions))
    with (directory / "subscriptions.csv").open("w", encoding="utf-8", newline="") as out:
        out.write("code,customer,plan,start\n")
        out.writelines(f"s{n},c{n},pro,2026-10-01\n" for n in range(subscriptions))
    rows: list[Event] = list(events(subscriptions, number, seed))
    with (directory / "usage" / "october.csv").open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(Event._fields)
        writer.writerows(dirty(rows, share, seed) if share else rows)
    return directory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--subscriptions", type=int, default=2_000)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dirty", type=float, default=0.0, metavar="SHARE")
    args = parser.parse_args()
    generate(
        args.directory,
        subscriptions=args.subscriptions,
        number=args.events,
        seed=args.seed,
        share=args.dirty,
    )


if __name__ == "__main__":
    main()
