"""`kvit prove NAME`: the proofs that no crash, race, retry or clock loses or doubles a kopeck."""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict

from kvit.core.wording import Words, say
from kvit.web.called import name as called
from kvit.web.called import typeable
from kvit.web.cli.counts import within
from kvit.web.cli.language import either, language
from kvit.web.prove import PROOFS, Proof, named, prove
from kvit.web.prove.outcome import Outcome
from kvit.web.unwinding import unwind_when_told

HOLDS, BROKEN = 0, 1
SEED = 2026
MOST = 10**9
WORDS: Words = {
    "holds": (
        "{name}: нарушений нет. {figures}\n  {seconds} с; {trace}повторить: {again}",
        "{name}: nothing is violated. {figures}\n  {seconds} s; {trace}again: {again}",
    ),
    "broken": (
        "{name}: НАРУШЕНО. {figures}\n{violations}\n  {seconds} с; {trace}повторить: {again}",
        "{name}: VIOLATED. {figures}\n{violations}\n  {seconds} s; {trace}again: {again}",
    ),
    "no_former": (
        "{name}: пропущено. Прежнего кода здесь нет: без git и его истории рядом поставить нечего.",
        "{name}: left out. There is no former code here: without git and its history, none to set"
        " beside this one.",
    ),
    "trace": ("след {trace}; ", "trace {trace}; "),
    "begins": ("{name}: {about}…", "{name}: {about}…"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    names = [proof.name for proof in PROOFS]
    told = "; ".join(either(f"{one.name} — {one.russian}", f"{one.name}: {one.english}")
                     for one in PROOFS)  # fmt: skip
    sizes = "; ".join(either(f"{one.name} — {one.size} {one.unit[0]}",
                             f"{one.name}: {one.size} {one.unit[1]}")
                      for one in PROOFS)  # fmt: skip
    parser.add_argument("name", choices=[*names, "all"], metavar="NAME",
                        help=either(f"all — все; {told}", f"all of them; {told}"))  # fmt: skip
    parser.add_argument("--seed", type=int, default=SEED, metavar="N",
                        help=either(f"то же число повторяет то же самое ({SEED})",
                                    f"the same number does the same again ({SEED})")
                        )  # fmt: skip
    parser.add_argument("--size", type=within(1, MOST), default=None, metavar="N",
                        help=either(f"сколько; обычно {sizes}", f"how much; usually {sizes}")
                        )  # fmt: skip
    parser.add_argument("--former", default="", metavar="REF",
                        help=either("upgrade: чей код прежний; обычно последнего тега или до"
                                    " последней миграции",
                                    "upgrade: whose code is the former; usually of the last tag, or"
                                    " before the last migration")
                        )  # fmt: skip
    parser.add_argument("--json", action="store_true", help=either("объект JSON", "a JSON object"))


def run(args: argparse.Namespace) -> int:
    unwind_when_told()
    chosen = PROOFS if args.name == "all" else (named(args.name),)
    outcomes = []
    for proof in chosen:
        size = args.size or proof.size
        if not args.json:
            about = either(proof.russian, proof.english)
            print(say(WORDS, "begins", language(), name=proof.name, about=about), file=sys.stderr)
        more = {"former": args.former} if proof.name == "upgrade" else {}
        outcomes.append(timed(proof, seed=args.seed, size=size, more=more))
        if not args.json:
            print(typeable(_text(outcomes[-1])), flush=True)
    if args.json:
        told = [{**asdict(one), "holds": one.holds} for one in outcomes]
        print(json.dumps(told if args.name == "all" else told[0], ensure_ascii=False))
    return HOLDS if all(one.holds for one in outcomes) else BROKEN


def timed(proof: Proof, *, seed: int, size: int, more: Mapping[str, str]) -> Outcome:
    """Run a proof and note how long it took."""
    began = time.monotonic()
    outcome = prove(proof, seed=seed, size=size, more=more)
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


def _text(outcome: Outcome) -> str:
    if outcome.left_out:
        return say(WORDS, outcome.left_out, language(), name=outcome.proof)
    figures = ", ".join(f"{name} {value}" for name, value in outcome.figures.items())
    trace = say(WORDS, "trace", language(), trace=outcome.trace) if outcome.trace else ""
    again = f"{called()} prove {outcome.proof} --seed {outcome.seed} --size {outcome.size}"
    return say(
        WORDS,
        "holds" if outcome.holds else "broken",
        language(),
        name=outcome.proof,
        figures=figures,
        violations="\n".join(f"  {one}" for one in outcome.violations),
        seconds=outcome.seconds,
        trace=trace,
        again=again,
    )
