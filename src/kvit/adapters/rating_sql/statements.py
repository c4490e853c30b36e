"""Four queries, each kept under a name: units, units with their remarks, sums, amounts.

    kvit_lines    line, series, price, kind, begin_us, end_us, carried
    kvit_events   series, moment, event_id, value, said, dims
    kvit_prices, kvit_segments, kvit_cells                          of `Contract.rows()`

A line is a price of a subscription in a service period; events of its series within the period
are its own. `value` is a whole number by the meter's scale, or NULL where the event says a text.
`carried` is the level with which the period begins. Events are ordered by moment, then by the bytes
of event_id.

    kvit_amounts  line, events, units, num, den, minor, remark

num / den is the exact sum in major units, `minor` the same rounded once. Where `remark` stands
there is no sum: a value is a text (not_a_number), no cell takes an event (no_price), units are
below zero (negative), or 128 bits are not proven to hold what is computed (too_large). Kvit rates
such a line itself. Every line has its row: `missing` counts those that have not.
"""

from collections.abc import Iterator
from typing import Final

from kvit.adapters.rating_sql.dialects import Dialect, Kind
from kvit.adapters.rating_sql.tables import MOST_EVENTS
from kvit.core.charges import LARGEST
from kvit.core.money import Rounding

LINES: Final[dict[str, Kind]] = {
    "line": "int", "series": "int", "price": "int", "kind": "text",
    "begin_us": "int", "end_us": "int", "carried": "int",
}  # fmt: skip
EVENTS: Final[dict[str, Kind]] = {
    "series": "int", "moment": "moment", "event_id": "text",
    "value": "int", "said": "text", "dims": "text",
}  # fmt: skip
AMOUNTS: Final = "SELECT line, events, units, num, den, minor, remark FROM kvit_amounts"
MISSING: Final = (
    "SELECT (SELECT count(*) FROM kvit_lines) - (SELECT count(DISTINCT line) FROM kvit_amounts),"
    " (SELECT count(*) FROM kvit_amounts) - (SELECT count(DISTINCT line) FROM kvit_amounts)"
)


def statements(dialect: Dialect, rounding: Rounding = "half-up") -> Iterator[str]:
    """Give the statements of the whole rating, in order."""
    yield from dialect.keep("kvit_units", _units(dialect))
    yield from dialect.keep("kvit_counted", _counted(dialect))
    yield from dialect.keep("kvit_sums", _sums(dialect))
    yield from dialect.keep("kvit_amounts", _amounts(dialect, rounding))


def rounded(dialect: Dialect, source: str, rounding: Rounding) -> str:
    """Return a query that adds `minor` to the rows of a query: num × scale / den rounded once.

    Args:
        rounding: half-up (away from zero) or half-even; both mirror below zero.
    """
    tie = {"half-up": "1", "half-even": f"whole - 2 * {dialect.divided('whole', '2')}"}[rounding]
    rest = "2 * (size - whole * den)"
    return f"""
    SELECT divided.*,
        (CASE WHEN num < 0 THEN -1 ELSE 1 END)
        * (whole + CASE WHEN {rest} > den THEN 1 WHEN {rest} = den THEN {tie} ELSE 0 END) AS minor
    FROM (SELECT sized.*, {dialect.divided("size", "den")} AS whole
        FROM (SELECT source.*, {_size("num * scale")} AS size FROM ({source}) source) sized
        ) divided"""


def _size(number: str) -> str:
    """The number without its sign. abs() and unary minus of Spark's decimals drop every digit
    after the 34th, in ANSI mode too; a difference does not."""
    return f"CASE WHEN {number} < 0 THEN 0 - {number} ELSE {number} END"


def _picked(dialect: Dialect, kinds: str, columns: str) -> str:
    """Events of lines of some kinds: each with the table that its price names."""
    return f"""
        SELECT l.line AS line, l.kind AS kind,
            CASE WHEN p.reads = 'keys' THEN c.tbl ELSE p.tbl END AS tbl, {columns}
        FROM kvit_lines l
        JOIN kvit_prices p ON p.price = l.price
        JOIN (SELECT series, {dialect.micros.format("moment")} AS us, event_id, value, said, dims
            FROM kvit_events) e ON e.series = l.series
        LEFT JOIN kvit_cells c ON c.price = l.price AND c.dims = e.dims
        WHERE l.kind IN ({kinds}) AND e.us >= l.begin_us AND e.us < l.end_us"""


def _units(d: Dialect) -> str:
    """Each line's units by table, one row a line and table that has events."""
    value = d.wide("value")
    number, text = d.as_text.format("value"), "COALESCE(said, '')"
    # A number and a text that looks the same are two values.
    word = f"CASE WHEN value IS NULL THEN concat('=', {text}) ELSE concat('#', {number}) END"
    levels = _picked(
        d,
        "'latest', 'time_weighted'",
        f"""e.us AS us, e.value AS value, l.carried AS carried, l.begin_us AS begin_us,
            l.end_us AS end_us,
            LEAD(e.us) OVER (PARTITION BY l.line ORDER BY e.us, {d.bytewise.format("e.event_id")})
                AS next_us,
            ROW_NUMBER() OVER (PARTITION BY l.line
                ORDER BY e.us DESC, {d.bytewise.format("e.event_id")} DESC) AS from_last""",
    )
    held = "CASE WHEN from_last = 1 THEN end_us ELSE next_us END - us"
    first = f"{d.wide('max(carried)')} * (min(us) - max(begin_us))"
    return f"""
    SELECT line, tbl, count(*) AS n,
        sum(CASE WHEN value IS NULL THEN 1 ELSE 0 END) AS texts,
        sum(CASE WHEN value < 0 THEN 1 ELSE 0 END) AS below,
        CASE kind WHEN 'sum' THEN sum({value}) WHEN 'max' THEN max({value})
            ELSE {d.wide("count(*)")} END AS num
    FROM ({_picked(d, "'sum', 'count', 'max'", "e.value AS value")}) adding
    GROUP BY line, kind, tbl
    UNION ALL
    SELECT line, tbl, count(*), 0, 0, {d.wide("count(DISTINCT word)")}
    FROM (SELECT line, tbl, {word} AS word
        FROM ({_picked(d, "'unique'", "e.value AS value, e.said AS said")}) said) words
    GROUP BY line, tbl
    UNION ALL
    SELECT line, tbl, count(*), sum(CASE WHEN value IS NULL THEN 1 ELSE 0 END), 0,
        CASE kind WHEN 'latest' THEN sum(CASE WHEN from_last = 1 THEN {value} END)
            ELSE {first} + sum({value} * ({held})) END
    FROM ({levels}) levels
    GROUP BY line, kind, tbl"""


def _counted(d: Dialect) -> str:
    """Every line, with events or without: its units, or what is wrong with them."""
    carried = d.wide("l.carried")
    return f"""
    SELECT line, price, tbl, n, remark, CASE WHEN remark IS NULL THEN num ELSE {d.wide("0")} END
        AS num
    FROM (SELECT found.*,
            CASE WHEN kind NOT IN ('count', 'unique') AND texts > 0 THEN 'not_a_number'
                WHEN n > 0 AND tbl IS NULL THEN 'no_price'
                WHEN num < 0 OR (kind = 'sum' AND reads IN ('keys', 'events') AND below > 0)
                    THEN 'negative'
                WHEN num > safe OR n > {MOST_EVENTS} OR safe < 0 THEN 'too_large' END AS remark
        FROM (SELECT l.line AS line, l.price AS price, l.kind AS kind, p.reads AS reads,
                p.safe AS safe, COALESCE(u.tbl, p.tbl) AS tbl, COALESCE(u.n, 0) AS n,
                COALESCE(u.texts, 0) AS texts, COALESCE(u.below, 0) AS below,
                CASE WHEN p.reads = 'nothing' THEN {d.wide("0")}
                    WHEN u.num IS NOT NULL THEN u.num
                    WHEN l.kind = 'latest' THEN {carried}
                    WHEN l.kind = 'time_weighted' THEN {carried} * (l.end_us - l.begin_us)
                    ELSE {d.wide("0")} END AS num
            FROM kvit_lines l
            JOIN kvit_prices p ON p.price = l.price
            LEFT JOIN kvit_units u ON u.line = l.line) found) told"""


def _sums(d: Dialect) -> str:
    """The join of ranges: each quantity in the one row of its table that holds it."""
    packages = d.divided("beyond + package - 1", "CASE WHEN package > 0 THEN package ELSE 1 END")
    return f"""
    SELECT line, sum((CASE WHEN package > 0 THEN {packages} ELSE beyond END) * rate
        + base + n * fee) AS num
    FROM (SELECT c.line AS line, c.n AS n, c.num * s.multiple - s.begin AS beyond,
            s.package AS package, s.rate AS rate, s.base AS base, s.fee AS fee
        FROM kvit_counted c
        JOIN kvit_segments s ON s.tbl = c.tbl
        WHERE c.remark IS NULL
            AND c.num * s.multiple > s.lower AND c.num * s.multiple <= s.upper) found
    GROUP BY line"""


def _amounts(d: Dialect, rounding: Rounding) -> str:
    """Discount, maximum, minimum; then the one rounding."""
    within = f"""
        SELECT line, events, units, den, scale, remark,
            CASE WHEN least IS NOT NULL AND capped < least THEN least ELSE capped END AS num
        FROM (SELECT given.*,
                CASE WHEN most IS NOT NULL AND given.total > most THEN most ELSE total END AS capped
            FROM (SELECT c.line AS line, c.events AS events, c.units AS units, p.den AS den,
                    p.scale AS scale, c.remark AS remark, p.most AS most, p.least AS least,
                    COALESCE(s.num, {d.wide("0")}) * p.factor AS total
                FROM (SELECT line, max(price) AS price, sum(n) AS events, sum(num) AS units,
                        min(remark) AS remark
                    FROM kvit_counted GROUP BY line) c
                JOIN kvit_prices p ON p.price = c.price
                LEFT JOIN kvit_sums s ON s.line = c.line) given) capped"""
    fits = f"remark IS NULL AND minor > -{LARGEST} AND minor < {LARGEST}"
    return f"""
    SELECT line, events, units, CASE WHEN {fits} THEN num END AS num, den,
        CASE WHEN {fits} THEN minor END AS minor,
        CASE WHEN {fits} THEN NULL WHEN remark IS NULL THEN 'too_large' ELSE remark END AS remark
    FROM ({rounded(d, within, rounding)}) done"""
