"""What argparse says of a command's words, in Russian: its sentences are few."""

import re
from typing import Final

_OF: Final = r"argument (?P<name>\S+): "
_RUSSIAN: Final = tuple(
    (re.compile(pattern, re.DOTALL), told)
    for pattern, told in (
        (r"the following arguments are required: (?P<what>.+)", "не указано: {what}"),
        (r"one of the arguments (?P<what>.+) is required", "укажите одно из: {what}"),
        (r"unrecognized arguments: (?P<what>.+)", "лишнее или неизвестное: {what}"),
        (_OF + r"invalid choice: (?P<what>.+) \(choose from (?P<known>.+)\)",
         "{name}: {what} не подходит; можно: {known}"),
        (_OF + r"invalid \w+ value: (?P<what>.+)", "{name}: {what} не подходит"),
        (_OF + r"expected (?:one|at least one) argument", "{name}: нужно значение"),
        (_OF + r"expected (?P<what>\d+) arguments", "{name}: нужно значений: {what}"),
        (_OF + r"ignored explicit argument (?P<what>.+)", "{name}: значение {what} здесь лишнее"),
        (_OF + r"not allowed with argument (?P<what>.+)", "{name}: вместе с {what} нельзя"),
        (_OF + r"(?P<what>.+)", "{name}: {what}"),  # a sentence of ours
    )
)  # fmt: skip


def in_russian(message: str) -> str:
    """Say in Russian what argparse said; a sentence that is not known stays as it is."""
    for pattern, told in _RUSSIAN:
        if found := pattern.fullmatch(message):
            return told.format(**found.groupdict())
    return message
