"""Pictures that somebody handed in: read whole, checked, and written anew before they are kept.

    cleaned(content)   → Picture("png" | "svg", content, width, height), or BadPicture

What is kept holds only what was understood: pixels of a PNG, shapes of an SVG. No script, text of a
foreign font, address, comment or metadata comes through, whatever the file was called.
"""

from kvit.core.pictures.picture import LARGEST_BYTES, BadPicture, Picture
from kvit.core.pictures.png import SIGNATURE, clean_png
from kvit.core.pictures.svg import clean_svg

__all__ = ["LARGEST_BYTES", "BadPicture", "Picture", "cleaned"]


def cleaned(content: bytes) -> Picture:
    """Return the picture as it may be kept.

    Raises:
        BadPicture: it is neither a PNG nor an SVG, is too large, or holds what a logo has not.
    """
    if not content:
        raise BadPicture("picture_empty")
    if len(content) > LARGEST_BYTES:
        raise BadPicture("picture_too_large", most=LARGEST_BYTES // 1024)
    if content.startswith(SIGNATURE):
        return clean_png(content)
    if b"<svg" in content:
        return clean_svg(content)
    raise BadPicture("picture_unknown")
