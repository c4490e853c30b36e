"""A picture that was understood, and why one was not."""

from dataclasses import dataclass
from typing import Any, Literal

LARGEST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of ours: its bytes were written by us. The sizes tell its shape."""

    kind: Literal["png", "svg"]
    content: bytes
    width: int
    height: int


class BadPicture(ValueError):
    """The file is no picture that may be kept; `code` and `params` say why."""

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.params = params
