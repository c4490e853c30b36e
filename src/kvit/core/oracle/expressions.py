"""An expression of a composed price, read by Python's own parser and walked by hand."""

import ast
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from kvit.core.oracle.answers import Document, optional, rounded, whole_up

Value = Fraction | str | bool
_IF = re.compile(r"""("[^"]*"|'[^']*')|\bif(?=\s*\()""")  # a keyword there, a function here
_ARITHMETIC: dict[type, Any] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}
_ORDER: dict[type, Any] = {
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
}


def computed(
    source: str,
    *,
    names: Mapping[str, Fraction | str],
    counters: Mapping[str, Fraction],
    tables: Document,
) -> Fraction:
    """Compute an expression of the quote contract that is known to be sound."""
    text = _IF.sub(lambda found: found[1] or "when", source.strip())
    walk = _Walk(text, names, counters, tables)
    return _number(walk.value(ast.parse(text, mode="eval").body))


def _number(value: Value) -> Fraction:
    return Fraction(value)


class _Walk:
    def __init__(
        self,
        text: str,
        names: Mapping[str, Fraction | str],
        counters: Mapping[str, Fraction],
        tables: Document,
    ) -> None:
        self.text, self.names, self.counters, self.tables = text, names, counters, tables

    def value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=str(said)):
                return said
            case ast.Constant():  # as written: a float would not be exact
                return Fraction(ast.get_source_segment(self.text, node) or "")
            case ast.Name(id=name):
                return self.names[name]
            case ast.BinOp(left=left, op=op, right=right):
                found: Fraction = _ARITHMETIC[type(op)](self.number(left), self.number(right))
                return found
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.number(operand)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.value(operand)
            case ast.BoolOp(op=ast.And(), values=parts):
                return all(self.value(part) for part in parts)
            case ast.BoolOp(values=parts):
                return any(self.value(part) for part in parts)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return self.compared(left, op, right)
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self.called(name, arguments)
        raise ValueError(ast.dump(node))

    def number(self, node: ast.expr) -> Fraction:
        return _number(self.value(node))

    def compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> bool:
        one, two = self.value(left), self.value(right)
        if isinstance(op, ast.Eq | ast.NotEq):
            same = one == two if type(one) is type(two) else _number(one) == _number(two)
            return same == isinstance(op, ast.Eq)
        found: bool = _ORDER[type(op)](_number(one), _number(two))
        return found

    def called(self, name: str, arguments: list[ast.expr]) -> Value:
        if name == "when":
            return self.value(arguments[1] if self.value(arguments[0]) else arguments[2])
        if name == "counter":
            return self.counters[str(self.value(arguments[0]))]
        if name in ("range", "key"):
            table = arguments[1]
            where = table.id if isinstance(table, ast.Name) else str(self.value(table))
            return self.looked_up(name, self.value(arguments[0]), self.tables[where])
        first = self.number(arguments[0])
        match name:
            case "min" | "max":
                return (min if name == "min" else max)(map(self.number, arguments))
            case "abs":
                return abs(first)
            case "ceil":
                return Fraction(whole_up(first))
            case "floor":
                return Fraction(-whole_up(-first))
            case "round":
                scale = Fraction(10) ** int(self.number(arguments[1]))
                mode = str(self.value(arguments[2])) if len(arguments) > 2 else "half-up"
                return Fraction(rounded(first * scale, mode)) / scale
        raise ValueError(name)

    def looked_up(self, kind: str, wanted: Value, table: Document) -> Fraction:
        if kind == "range":
            for row in table["ranges"]:
                top = optional(row, "up_to")
                if top is None or _number(wanted) <= top:
                    return Fraction(str(row["value"]))
        keys = table.get("keys") or {}
        return Fraction(str(keys.get(str(wanted), table.get("default"))))
