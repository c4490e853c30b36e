"""A document → PDF bytes, by Typst. The same document gives the same bytes, anywhere, any time.

A compiler may not be shared: one is kept a thread. It reads the forms in `paper/` and nothing else
of the disk, sees PT Sans and, for letters that it lacks (Hebrew, Arabic), the typefaces that Typst
brings along, and asks no network.

The file is PDF/A-3a, tagged and complete in itself, to be read in decades. That asks for a shape of
every letter: a document with one that no typeface has (an emoji, Chinese) is an ordinary PDF that
prints a box for it, and `is_archival` tells.
"""

import hashlib
import io
import json
import threading
from datetime import UTC, datetime, time
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kvit.documents.document import InvoiceDocument
from kvit.documents.layout import sheet
from kvit.documents.payment_qr import payment_payload

if TYPE_CHECKING:
    import typst

PAPER = Path(__file__).parent / "paper"
_SOURCES = ("layout.py", "payment_qr.py", "render.py")
STANDARD: Literal["a-3a"] = "a-3a"
_of_thread = threading.local()


def render(document: InvoiceDocument) -> bytes:
    """Return the PDF of `document`: A4, tagged, PDF/A-3a, dated by its day of issue."""
    import typst

    payload = payment_payload(document)
    data = sheet(document, _svg(payload) if payload else None)
    stamp = datetime.combine(document.issued_on, time(), UTC)
    inputs = {"sheet": json.dumps(data, ensure_ascii=False, sort_keys=True)}
    compile_it = partial(_compiler().compile, format="pdf", sys_inputs=inputs, timestamp=stamp)
    try:
        pdf = compile_it(pdf_standards=STANDARD)
    except typst.TypstError as error:
        if not str(error).startswith("PDF/A"):
            raise
        pdf = compile_it()
    assert isinstance(pdf, bytes)
    return pdf


def is_archival(pdf: bytes) -> bool:
    """Whether a PDF of ours is PDF/A: every letter of it has a shape."""
    return b"pdfaid:part" in pdf


@cache
def template_version() -> str:
    """Name what, beside the document, decides the bytes: our forms and texts, Typst, the typeface.

    Twelve hexadecimal digits. Kept beside each rendered document, so that one can tell which were
    made before a form was changed.
    """
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in [*sorted(PAPER.glob("*.typ")), *(folder / name for name in _SOURCES)]:
        digest.update(path.read_bytes())
    for package in ("typst", "segno", "fontpkg-pt-sans"):
        digest.update(f"{package} {version(package)}\n".encode())
    return digest.hexdigest()[:12]


def _compiler() -> "typst.Compiler":
    compiler: typst.Compiler | None = getattr(_of_thread, "compiler", None)
    if compiler is None:
        compiler = _of_thread.compiler = _new_compiler()
    return compiler


def _new_compiler() -> "typst.Compiler":
    import typst
    from fontpkg_pt_sans import ROOT

    fonts = typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=True,
        font_paths=[str(ROOT / "files")],
    )
    return typst.Compiler(str(PAPER / "document.typ"), root=str(PAPER), font_paths=fonts)


def _svg(payload: bytes) -> str:
    import segno

    # Any mask decodes. Trying all eight for the fairest pattern would cost 12 ms of 15, more than
    # the whole of Typst's work on the page.
    code = segno.make_qr(payload, mode="byte", error="m", mask=3)
    out = io.BytesIO()
    code.save(out, kind="svg", border=0, xmldecl=False, svgns=True, omitsize=True)
    return out.getvalue().decode()
