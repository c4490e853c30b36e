"""How long a price preview takes, in process: one price, a plan of ten, a price that is known.

    ./kvit bench quote [--events CALLS] [--json]

The first two go from a line of JSON to a line of JSON: read, check, compile, evaluate, explain. The
third is the evaluator alone. Prints the 50th and 99th percentile of each and the ratio to the same
sum written as a plain loop over `Decimal` tiers, which reads, checks and explains nothing. No time
is asserted: it depends on the machine, the ratio far less.
"""

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from time import perf_counter_ns, process_time

from measure import Line, Report, memory_mb, parser_of

from kvit.core.pricing import Quantity, evaluate, parse_price
from kvit.core.quote import answer_line, write_line

ROUNDS = 3000
TIERS = (("100000", "0"), ("500000", "0.02"), (None, "0.015"))
PRICE = {"model": "graduated", "tiers": [{"up_to": top, "unit": unit} for top, unit in TIERS]}
PLAN = {
    "code": "pro",
    "price": [{"code": f"p{i}", "meter": f"m{i}", "price": PRICE} for i in range(10)],
}
KNOWN = tuple((None if top is None else Decimal(top), Decimal(unit)) for top, unit in TIERS)
CENT = Decimal("0.01")


def line_of(document: dict[str, object]) -> bytes:
    return write_line({"id": "q", "currency": "RUB", **document})


def plain_sum(units: Decimal) -> Decimal:
    """The same sum by the loop that anybody would write first."""
    total, floor = Decimal(0), Decimal(0)
    for top, unit in KNOWN:
        ceiling = units if top is None else min(units, top)
        if ceiling <= floor:
            break
        total += (ceiling - floor) * unit
        floor = ceiling
    return total.quantize(CENT, ROUND_HALF_UP)


def measure(run: Callable[[int], object], rounds: int) -> tuple[float, float]:
    """Return the 50th and 99th percentile of one call, in microseconds."""
    times = []
    for i in range(rounds):
        begun = perf_counter_ns()
        run(i)
        times.append(perf_counter_ns() - begun)
    times.sort()
    return times[rounds // 2] / 1000, times[rounds * 99 // 100] / 1000


def main() -> None:
    args = parser_of(__doc__, events=ROUNDS).parse_args()
    rounds = args.events
    # Every call asks for another number of units: nothing can be answered from the last one.
    units = [str(620_000 + i) for i in range(rounds)]
    one = [line_of({"price": PRICE, "units": text}) for text in units]
    ten = [
        line_of({"plan": PLAN, "quantities": {f"m{i}": {"units": text} for i in range(10)}})
        for text in units
    ]
    amounts = [Decimal(text) for text in units]
    for line, amount in zip(one, amounts, strict=True):
        assert answer_line(line)["amount"] == str(plain_sum(amount))
    report = Report("quote", {"calls": rounds}, "every answer equals the plain Decimal sum")

    def show(name: str, run: Callable[[int], object], sums: int) -> None:
        loop = measure(lambda i: [plain_sum(amounts[i]) for _ in range(sums)], rounds)
        begun = process_time()
        ours = measure(run, rounds)
        taken = process_time() - begun
        line = Line(name, ours[0] / 1e6, 1, "calls", taken, memory_mb())
        peer = Line("plain Decimal loop", loop[0] / 1e6, 1, "calls")
        report.lines.append(line.compared(peer))
        report.notes[name] = {
            "p50_us": round(ours[0], 1), "p99_us": round(ours[1], 1),
            "loop_p50_us": round(loop[0], 1), "loop_p99_us": round(loop[1], 1),
        }  # fmt: skip

    known = parse_price(PRICE)
    quantities = [Quantity(units=Fraction(text)) for text in units]
    show("one price", lambda i: write_line(answer_line(one[i])), 1)
    show("plan of ten", lambda i: write_line(answer_line(ten[i])), 10)
    show("known price", lambda i: evaluate(known, quantities[i]), 1)
    report.show(as_json=args.json)


if __name__ == "__main__":
    main()
