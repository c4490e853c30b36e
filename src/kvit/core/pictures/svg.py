"""An SVG is read shape by shape and written anew: what is not known to be a shape is refused.

    <svg …><script>…</script>      refused, by the name of what is not allowed
    <path onclick="…" d="M0 0">    refused: an attribute that is no look
    <path style="fill:#0b57b7">    becomes <path fill="#0b57b7"/>
    <metadata>, <title>, comments  left out

Texts are refused too: another machine has other fonts, so a logo's letters must be outlines.
"""

import re
from decimal import Decimal
from xml.etree import ElementTree
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from kvit.core.pictures.picture import BadPicture, Picture

SVG = "http://www.w3.org/2000/svg"
MOST_SHAPES = 2_000
DEEPEST = 24
LARGEST_SIDE = 100_000
_SHAPES = frozenset(
    "svg g defs path rect circle ellipse line polyline polygon linearGradient radialGradient stop"
    " clipPath".split()
)
_LEFT_OUT = frozenset({"title", "desc", "metadata"})
_LOOKS = frozenset(
    "id transform d x y x1 y1 x2 y2 cx cy r rx ry fx fy width height points viewBox"
    " preserveAspectRatio fill fill-opacity fill-rule clip-rule clip-path clipPathUnits stroke"
    " stroke-width stroke-linecap stroke-linejoin stroke-miterlimit stroke-opacity"
    " stroke-dasharray stroke-dashoffset opacity offset stop-color stop-opacity gradientUnits"
    " gradientTransform spreadMethod display visibility color".split()
)
# Attributes that say nothing of the looks, or what a logo does without.
_IDLE = frozenset({"version", "class", "enable-background", "overflow", "role", "focusable"})
_IDLE_STYLES = ("-inkscape", "font-", "text-", "line-", "writing-", "mix-blend-mode", "isolation",
                "letter-spacing", "word-spacing", "paint-order", "enable-background",
                "shape-", "color-", "image-", "marker", "direction", "baseline-", "white-space",
                "solid-", "vector-effect", "overflow", "stop-", "-webkit")  # fmt: skip
_VALUE = re.compile(r"[\w\s.,#%()+\-:;/]*")
_LINK = re.compile(r"url\(#[\w.\-]+\)")
_NUMBER = re.compile(r"-?[0-9]*\.?[0-9]+(?:e-?[0-9]{1,2}(?![0-9]))?")


def clean_svg(content: bytes) -> Picture:
    """Return the same shapes in a file of ours.

    Raises:
        BadPicture: it is no XML, holds something besides shapes, or has no size.
    """
    root = _read(content)
    if _name(root) != "svg":
        raise BadPicture("picture_unknown")
    box = _box(root)
    parts: list[str] = []
    _write(root, parts, box=box)
    text = "".join(parts)
    return Picture("svg", text.encode(), round(Decimal(box[2])) or 1, round(Decimal(box[3])) or 1)


def _read(content: bytes) -> ElementTree.Element:
    """Parse without entities: none may be declared, so none can be blown up or read from a disk."""
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    count = depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal count, depth
        count, depth = count + 1, depth + 1
        if count > MOST_SHAPES or depth > DEEPEST:
            raise BadPicture("picture_too_complex", most=MOST_SHAPES)
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> int:
        raise BadPicture("picture_entities")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.EntityDeclHandler = parser.ExternalEntityRefHandler = refuse
    try:
        parser.Parse(content, True)
        return builder.close()
    except BadPicture:
        raise
    except (expat.ExpatError, AssertionError, LookupError, ValueError):
        # The last two: it names an encoding that there is not, or that is no text.
        raise BadPicture("picture_damaged") from None


def _box(root: ElementTree.Element) -> tuple[str, str, str, str]:
    """Return the view box; of a file without one, its width and height."""
    numbers = _NUMBER.findall(root.get("viewBox", ""))
    if len(numbers) != 4:
        sides = [_NUMBER.match(root.get(name, "")) for name in ("width", "height")]
        numbers = ["0", "0", *(side.group() if side else "0" for side in sides)]
    x, y, width, height = numbers
    if not (0 < Decimal(width) <= LARGEST_SIDE and 0 < Decimal(height) <= LARGEST_SIDE):
        raise BadPicture("picture_without_size")
    return x, y, width, height


def _write(element: ElementTree.Element, parts: list[str], *, box: tuple[str, ...] = ()) -> None:
    name = _name(element)
    if name is None or name in _LEFT_OUT:
        return
    if name not in _SHAPES:
        raise BadPicture("picture_forbidden", what=f"<{name[:40]}>")
    looks = _looks(element)
    if box:
        looks = {key: value for key, value in looks.items() if key not in ("x", "y")}
        looks |= {"viewBox": " ".join(box), "width": box[2], "height": box[3]}
        parts.append(f'<svg xmlns="{SVG}"')
    else:
        parts.append(f"<{name}")
    parts += [f" {key}={quoteattr(value)}" for key, value in sorted(looks.items())]
    parts.append(">")
    for child in element:
        _write(child, parts)
    parts.append(f"</{name}>")


def _name(element: ElementTree.Element) -> str | None:
    """The local name of an element of SVG; None of what belongs to an editor's own vocabulary."""
    space, _, name = str(element.tag).rpartition("}")
    return name if space in (SVG, "") else None


def _looks(element: ElementTree.Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in element.attrib.items():
        if "}" in key or key in _IDLE or key.startswith(("data-", "aria-")):
            continue
        if key == "style":
            found |= _styles(value)
        elif key in _LOOKS:
            found[key] = _safe(key, value)
        else:
            raise BadPicture("picture_forbidden", what=f"{key[:40]}=")
    return found


def _styles(text: str) -> dict[str, str]:
    """Declarations of a style as attributes of the same names."""
    found: dict[str, str] = {}
    for declaration in text.split(";"):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key in _LOOKS:
            found[key] = _safe(key, value)
        elif key and not key.startswith(_IDLE_STYLES):
            raise BadPicture("picture_forbidden", what=f"style {key[:40]}")
    return found


def _safe(key: str, value: str) -> str:
    """A value of digits, names and shapes; a link leads inside the file alone."""
    rest = _LINK.sub("", value)
    if not _VALUE.fullmatch(value) or "url" in rest.lower() or ":" in value:
        raise BadPicture("picture_forbidden", what=f"{key[:40]}=")
    return value
