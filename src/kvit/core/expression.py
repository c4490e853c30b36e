"""A small, safe language of expressions over exact numbers.

    base * 0.08
    if(weight > 20, base + (weight - 20) * 35, base) * key(zone, factors)
    round(units * range(units, norms), 2, "up") + counter("penalties") * 100

Numbers are fractions, never floats. There are no loops, no assignments and no access to anything
but the names given; length, depth and the size of every number are bounded, so an expression
written by anybody ends at once. Parts of `if`, `and` and `or` that are not needed are not computed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from typing import NoReturn, cast

from kvit.core.money import ROUNDINGS, NotANumber, Rounding, parse_decimal, round_fraction
from kvit.core.wording import say

MAX_LENGTH = 4000
MAX_DEPTH = 60
MAX_BITS = 2048
MAX_PLACES = 12

Value = Fraction | bool | str

WORDS: dict[str, tuple[str, str]] = {
    "length": ("длиннее {limit} знаков", "longer than {limit} characters"),
    "depth": ("слишком глубокая вложенность, больше {limit}", "nested deeper than {limit}"),
    "size": ("число слишком велико", "a number grows too large"),
    "character": ("непонятный знак «{text}»", "unexpected character “{text}”"),
    "end": ("формула оборвана", "the expression ends too early"),
    "unexpected": ("здесь не ждали «{text}»", "“{text}” is not expected here"),
    "unknown_name": (
        "имя «{text}» неизвестно, есть: {known}",
        "“{text}” is not known; there are: {known}",
    ),
    "suggestion": (
        "имя «{text}» неизвестно, возможно, имелось в виду «{suggestion}»",
        "“{text}” is not known, did you mean “{suggestion}”?",
    ),
    "arguments": (
        "у {text}() другое число аргументов",
        "{text}() takes another number of arguments",
    ),
    "number": ("здесь нужно число", "a number is needed here"),
    "truth": ("здесь нужно условие", "a condition is needed here"),
    "text": ("здесь нужен текст", "a text is needed here"),
    "zero": ("деление на ноль", "division by zero"),
    "places": ("знаков округления от −12 до 12", "rounding takes −12 to 12 places"),
    "rounding": ("округление бывает: {known}", "rounding is one of: {known}"),
    "table": ("таблицы «{text}» нет", "there is no table “{text}”"),
    "no_row": (
        "в таблице «{text}» нет строки для {value}",
        "table “{text}” has no row for {value}",
    ),
    "no_value": ("не задано значение «{text}»", "no value is given for “{text}”"),
}  # fmt: skip


class ExpressionError(ValueError):
    """The expression cannot be read or computed; `position` counts characters from 1."""

    def __init__(self, reason: str, position: int, **params: object) -> None:
        super().__init__(reason, position, params)
        self.reason = reason
        self.position = position
        self.params = params

    def message(self, lang: str) -> str:
        """Say what is wrong."""
        return say(WORDS, self.reason, lang, **self.params)


@dataclass(frozen=True, slots=True)
class RangeTable:
    """Rising bounds, inclusive; the last may be open (None)."""

    rows: tuple[tuple[Fraction | None, Fraction], ...]


@dataclass(frozen=True, slots=True)
class KeyTable:
    """A number for each text."""

    rows: tuple[tuple[str, Fraction], ...]
    default: Fraction | None = None


Table = RangeTable | KeyTable


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the tree: `kind` is an operator or a function, or "number", "text", "name"."""

    kind: str
    position: int
    children: tuple["Node", ...] = ()
    value: Value = False
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Program:
    """A read expression, ready to be computed any number of times."""

    source: str
    root: Node
    tables: tuple[tuple[str, Table], ...] = ()

    @property
    def used(self) -> frozenset[str]:
        """The names that the expression mentions."""
        found: set[str] = set()
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            if node.kind == "name":
                found.add(cast(str, node.value))
            waiting.extend(node.children)
        return frozenset(found)

    @property
    def counters(self) -> frozenset[str]:
        """The counters that the expression names by a text."""
        found: set[str] = set()
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            if node.kind == "counter" and node.children[0].kind == "text":
                found.add(cast(str, node.children[0].value))
            waiting.extend(node.children)
        return frozenset(found)

    def run(
        self, names: Mapping[str, Value], *, counters: Mapping[str, Fraction] | None = None
    ) -> Fraction:
        """Compute the expression.

        Raises:
            ExpressionError: a missing value, a wrong kind of value, division by zero, no row.
        """
        machine = _Machine(names, counters or {}, dict(self.tables))
        return machine.number(self.root)


def parse_expression(
    source: str, *, names: frozenset[str], tables: Mapping[str, Table] | None = None
) -> Program:
    """Read `source`, which may use `names` and `tables`.

    Raises:
        ExpressionError: with the position of what cannot be read.
    """
    if len(source) > MAX_LENGTH:
        raise ExpressionError("length", MAX_LENGTH, limit=MAX_LENGTH)
    known = tables or {}
    parser = _Parser(_tokens(source), names, known)
    root = parser.whole()
    return Program(source, root, tuple(sorted(known.items(), key=lambda item: item[0])))


# --- reading --------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[^\W\d]\w*)|"(?P<double>[^"]*)"|'(?P<single>[^']*)'
    |(?P<sign>==|!=|<=|>=|[-+*/<>(),]))""",
    re.VERBOSE,
)
_POWER = {
    "or": 1, "and": 2, "==": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4,
    "+": 5, "-": 5, "*": 6, "/": 6,
}  # fmt: skip
_NOT, _COMPARISON, _MINUS = 3, 4, 7
# How many arguments a function takes: at least, at most.
_FUNCTIONS = {
    "if": (3, 3), "min": (1, 20), "max": (1, 20), "round": (2, 3), "ceil": (1, 1),
    "floor": (1, 1), "abs": (1, 1), "range": (2, 2), "key": (2, 2), "counter": (1, 1),
}  # fmt: skip


FUNCTIONS = tuple(_FUNCTIONS)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # "number", "name", "text", "sign", "end"
    text: str
    position: int


def _tokens(source: str) -> list[_Token]:
    tokens = []
    at = 0
    end = len(source.rstrip())
    while at < end:
        match = _TOKEN.match(source, at)
        if match is None:
            start = at + len(source[at:]) - len(source[at:].lstrip())
            raise ExpressionError("character", start + 1, text=source[start])
        kind = match.lastgroup or ""
        position = match.start(kind) + 1
        text = match[kind]
        if kind in ("double", "single"):
            kind = "text"
        elif kind == "name" and text in ("and", "or", "not"):
            kind = "sign"
        tokens.append(_Token(kind, text, position))
        at = match.end()
    tokens.append(_Token("end", "", len(source) + 1))
    return tokens


class _Parser:
    """Top-down operator precedence: an operator binds what stands left of it by its power."""

    def __init__(
        self, tokens: list[_Token], names: frozenset[str], tables: Mapping[str, Table]
    ) -> None:
        self.tokens = tokens
        self.names = names
        self.tables = tables
        self.at = 0
        self.open = 0

    def whole(self) -> Node:
        node = self.expression(0)
        if self.tokens[self.at].kind != "end":
            self.fail_here()
        return node

    def expression(self, power: int) -> Node:
        self.open += 1
        if self.open > MAX_DEPTH:
            raise ExpressionError("depth", self.tokens[self.at].position, limit=MAX_DEPTH)
        left = self.prefix()
        while (token := self.tokens[self.at]).kind == "sign":
            binding = _POWER.get(token.text, 0)
            if binding <= power:
                break
            self.at += 1
            right = self.expression(binding)
            left = _node(token.text, token.position, (left, right))
            if binding == _COMPARISON and _POWER.get(self.tokens[self.at].text) == _COMPARISON:
                self.fail_here()  # a < b < c means nothing here
        self.open -= 1
        return left

    def prefix(self) -> Node:
        token = self.tokens[self.at]
        self.at += 1
        match token.kind, token.text:
            case "number", text:
                try:
                    return Node("number", token.position, value=parse_decimal(text))
                except NotANumber:
                    raise ExpressionError("size", token.position) from None
            case "text", text:
                return Node("text", token.position, value=text)
            case "name", name:
                return self.call(token) if self.tokens[self.at].text == "(" else self.name(name)
            case "sign", "-":
                return _node("minus", token.position, (self.expression(_MINUS),))
            case "sign", "not":
                return _node("not", token.position, (self.expression(_NOT),))
            case "sign", "(":
                node = self.expression(0)
                self.expect(")")
                return node
        self.at -= 1
        self.fail_here()

    def name(self, name: str) -> Node:
        token = self.tokens[self.at - 1]
        if name not in self.names:
            raise _unknown(name, token.position, self.names)
        return Node("name", token.position, value=name)

    def call(self, token: _Token) -> Node:
        name = token.text
        if name not in _FUNCTIONS:
            raise _unknown(name, token.position, frozenset(_FUNCTIONS))
        self.expect("(")
        arguments: list[Node] = []
        while True:
            is_table = name in ("range", "key") and len(arguments) == 1
            arguments.append(self.table(name) if is_table else self.expression(0))
            if self.tokens[self.at].text != ",":
                break
            self.at += 1
        self.expect(")")
        least, most = _FUNCTIONS[name]
        if not least <= len(arguments) <= most:
            raise ExpressionError("arguments", token.position, text=name)
        return _node(name, token.position, tuple(arguments))

    def table(self, function: str) -> Node:
        token = self.tokens[self.at]
        wanted = RangeTable if function == "range" else KeyTable
        if token.kind not in ("name", "text") or not isinstance(
            self.tables.get(token.text), wanted
        ):
            raise ExpressionError("table", token.position, text=token.text)
        self.at += 1
        return Node("table", token.position, value=token.text)

    def expect(self, sign: str) -> None:
        if self.tokens[self.at].kind != "sign" or self.tokens[self.at].text != sign:
            self.fail_here()
        self.at += 1

    def fail_here(self) -> NoReturn:
        token = self.tokens[self.at]
        if token.kind == "end":
            raise ExpressionError("end", token.position)
        raise ExpressionError("unexpected", token.position, text=token.text[:40])


def _node(kind: str, position: int, children: tuple[Node, ...]) -> Node:
    depth = 1 + max(child.depth for child in children)
    if depth > MAX_DEPTH:
        raise ExpressionError("depth", position, limit=MAX_DEPTH)
    return Node(kind, position, children, depth=depth)


def _unknown(name: str, position: int, known: frozenset[str]) -> ExpressionError:
    shown = name[:40]
    if close := get_close_matches(shown, known, n=1):
        return ExpressionError("suggestion", position, text=shown, suggestion=close[0])
    return ExpressionError("unknown_name", position, text=shown, known=", ".join(sorted(known)))


# --- computing ------------------------------------------------------------------------------


class _Machine:
    """Walks the tree once; every number it makes is bounded."""

    def __init__(
        self,
        names: Mapping[str, Value],
        counters: Mapping[str, Fraction],
        tables: Mapping[str, Table],
    ) -> None:
        self.names = names
        self.counters = counters
        self.tables = tables

    def number(self, node: Node) -> Fraction:
        value = self.value(node)
        if isinstance(value, str):  # the value of a dimension is a text; "12.5" is a number too
            try:
                value = parse_decimal(value)
            except NotANumber:
                raise ExpressionError("number", node.position) from None
        if isinstance(value, bool):
            raise ExpressionError("number", node.position)
        if value.numerator.bit_length() + value.denominator.bit_length() > MAX_BITS:
            raise ExpressionError("size", node.position)
        return value

    def truth(self, node: Node) -> bool:
        value = self.value(node)
        if not isinstance(value, bool):
            raise ExpressionError("truth", node.position)
        return value

    def value(self, node: Node) -> Value:
        match node.kind:
            case "number" | "text":
                return node.value
            case "name":
                return self.named(node)
            case "if":
                condition, then, otherwise = node.children
                return self.value(then if self.truth(condition) else otherwise)
            case "and":
                return self.truth(node.children[0]) and self.truth(node.children[1])
            case "or":
                return self.truth(node.children[0]) or self.truth(node.children[1])
            case "not":
                return not self.truth(node.children[0])
            case "==" | "!=":
                return self.equal(node) == (node.kind == "==")
            case "<" | "<=" | ">" | ">=":
                return self.compared(node)
            case "range" | "key":
                return self.looked_up(node)
            case "counter":
                return self.counted(node)
        return self.computed(node)

    def named(self, node: Node) -> Value:
        try:
            return self.names[cast(str, node.value)]
        except KeyError:
            raise ExpressionError("no_value", node.position, text=node.value) from None

    def equal(self, node: Node) -> bool:
        left, right = (self.value(child) for child in node.children)
        if type(left) is type(right):
            return left == right
        one, two = node.children
        return self.number(one) == self.number(two)

    def compared(self, node: Node) -> bool:
        left, right = (self.number(child) for child in node.children)
        if node.kind in ("<", "<="):
            return left < right or (node.kind == "<=" and left == right)
        return left > right or (node.kind == ">=" and left == right)

    def computed(self, node: Node) -> Fraction:
        first = self.number(node.children[0])
        match node.kind:
            case "minus":
                return -first
            case "abs":
                return abs(first)
            case "ceil":
                return Fraction(round_fraction(first, "up"))
            case "floor":
                return Fraction(round_fraction(first, "down"))
            case "round":
                return self.rounded(node, first)
        rest = [self.number(child) for child in node.children[1:]]
        if node.kind in ("min", "max"):
            return min(first, *rest) if node.kind == "min" else max(first, *rest)
        second = rest[0]
        if node.kind == "+":
            return first + second
        if node.kind == "-":
            return first - second
        if node.kind == "*":
            return first * second
        if not second:
            raise ExpressionError("zero", node.position)
        return first / second

    def rounded(self, node: Node, number: Fraction) -> Fraction:
        places = self.number(node.children[1])
        if places.denominator != 1 or abs(places) > MAX_PLACES:
            raise ExpressionError("places", node.children[1].position)
        mode = self.value(node.children[2]) if len(node.children) > 2 else "half-up"
        if mode not in ROUNDINGS:
            known = ", ".join(ROUNDINGS)
            raise ExpressionError("rounding", node.children[2].position, known=known)
        scale = Fraction(10) ** places.numerator
        return round_fraction(number * scale, cast(Rounding, mode)) / scale

    def looked_up(self, node: Node) -> Fraction:
        wanted, where = node.children
        name = cast(str, where.value)
        match self.tables[name]:
            case RangeTable(rows):
                number = self.number(wanted)
                for upper, found in rows:
                    if upper is None or number <= upper:
                        return found
                raise ExpressionError("no_row", node.position, text=name, value=number)
            case KeyTable(keys, default):
                text = self.value(wanted)
                if isinstance(text, Fraction) and text.denominator == 1:
                    text = str(text)
                if not isinstance(text, str):
                    raise ExpressionError("text", wanted.position)
                result = dict(keys).get(text, default)
                if result is None:
                    raise ExpressionError("no_row", node.position, text=name, value=text[:40])
                return result

    def counted(self, node: Node) -> Fraction:
        name = self.value(node.children[0])
        if not isinstance(name, str):
            raise ExpressionError("text", node.children[0].position)
        if name not in self.counters:
            raise ExpressionError("no_value", node.position, text=name[:40])
        return self.counters[name]
