"""Write the figures of docs/explanation/performance.md: tables and plots from measured JSON.

    .venv/bin/python bench/plot.py

Reads `bench/figures/*.json`, as `./kvit bench NAME --json` wrote them. No number of the page is
typed by hand: what stands between its markers is made here, and so are the plots.
"""

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FIGURES = HERE / "figures"
PAGE = HERE.parent / "docs" / "explanation" / "performance.md"
BEGIN, END = "<!-- figures: made by bench/plot.py -->", "<!-- end of figures -->"
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 360, 70, 50, 30, 200
COLOURS = ("#1f6feb", "#d1495b", "#2e8b57", "#8a63d2")
PLOTTED = ("billrun", "rating", "telecom")

Series = dict[str, list[tuple[float, float]]]


def main() -> None:
    reports = [json.loads(path.read_text()) for path in sorted(FIGURES.glob("*.json"))]
    reports.sort(key=lambda one: (one["bench"], next(iter(one["sizes"].values()))))
    made = [table(one) for one in reports]
    for name in PLOTTED:
        mine = [one for one in reports if one["bench"] == name]
        target = PAGE.with_name(f"performance-{name}.svg")
        target.write_text(plot(series_of(mine), name))
        made.append(f"![{name}: processor time against size]({target.name})")
    before, rest = PAGE.read_text().split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + BEGIN + "\n\n" + "\n\n".join(made) + "\n\n" + END + after)


def table(report: dict[str, Any]) -> str:
    """Return one report as Markdown."""
    sizes = ", ".join(f"{count:,} {name}" for name, count in report["sizes"].items())
    lines = [
        f"**{report['bench']}**, {sizes}. {report['machine']}; {report['at']}; "
        f"`{report['command']}`",
        "",
    ]
    pages = report["notes"].pop("pages", None)
    lines += _pages(pages) if pages else [
        "| | s | a second | CPU s | MB | |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for one in report["lines"]:
        ratio = "" if one["ratio"] is None else f"{one['ratio']:.2f} × {one['of']}"
        lines.append(
            f"| {one['name']} | {one['seconds']:.4g} | {one['per_second']:,.0f} {one['unit']} "
            f"| {one['cpu_s']:.2f} | {one['memory_mb']:.0f} | {ratio} |"
        )
    notes = [f"{name}: {value}" for name, value in report["notes"].items()]
    return "\n".join([*lines, "", *[f"- {note}" for note in notes], f"- exact: {report['exact']}"])


def _pages(pages: dict[str, dict[str, float]]) -> list[str]:
    """Return how long each page took, the median and one of twenty."""
    return [
        "| page | p50 ms | p95 ms | CPU ms | statements | KB |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {row['p50']:.0f} | {row['p95']:.0f} | {row['cpu']:.0f} "
            f"| {row['queries']} | {row['kb']:.0f} |"
            for name, row in pages.items()
        ),
    ]


def series_of(reports: Sequence[dict[str, Any]]) -> Series:
    """Return processor seconds by size for each side that counts whole runs."""
    found: Series = defaultdict(list)
    for report in reports:
        size = next(iter(report["sizes"].values()))
        for one in report["lines"]:
            if one["cpu_s"] and one["count"] == size:
                found[one["name"]].append((size, one["cpu_s"]))
    return found


def plot(series: Series, name: str) -> str:
    """Draw seconds against size, both logarithmic: what is linear is a line of slope one."""
    points = [point for many in series.values() for point in many]
    if not points:
        return "<svg xmlns='http://www.w3.org/2000/svg'/>"
    xs, ys = ([math.log10(point[axis]) for point in points] for axis in (0, 1))
    spans = [(math.floor(min(axis)), math.ceil(max(axis) + 1e-9)) for axis in (xs, ys)]

    def place(point: tuple[float, float]) -> tuple[float, float]:
        (low_x, high_x), (low_y, high_y) = spans
        x = LEFT + (math.log10(point[0]) - low_x) / max(high_x - low_x, 1) * (WIDTH - LEFT - RIGHT)
        y = (math.log10(point[1]) - low_y) / max(high_y - low_y, 1)
        return x, HEIGHT - BOTTOM - y * (HEIGHT - BOTTOM - TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' font-family="sans-serif" font-size="12"><title>{name}: CPU seconds by size</title>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    ]
    for power in range(spans[0][0], spans[0][1] + 1):
        x, _ = place((10.0**power, 10.0 ** spans[1][0]))
        parts.append(_line(x, TOP, x, HEIGHT - BOTTOM))
        parts.append(_text(x, HEIGHT - BOTTOM + 18, f"{10**power:,}", "middle"))
    for power in range(spans[1][0], spans[1][1] + 1):
        _, y = place((10.0 ** spans[0][0], 10.0**power))
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y))
        parts.append(_text(LEFT - 8, y + 4, f"{10.0**power:g} s", "end"))
    for place_, (side, many) in enumerate(series.items()):
        colour = COLOURS[place_ % len(COLOURS)]
        drawn = [place(point) for point in sorted(many)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in drawn]
        parts.append(_text(WIDTH - RIGHT + 10, TOP + 16 * (place_ + 1), side, "start", colour))
    unit = "invoices" if name == "billrun" else "events"
    parts.append(_text(LEFT, HEIGHT - 12, f"{unit}; CPU seconds of the process", "start"))
    return "\n".join([*parts, "</svg>", ""])


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, said: str, anchor: str, colour: str = "#333") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"'
    return f"<text {place}>{said}</text>"


if __name__ == "__main__":
    main()
