"""The paper itself: its bytes, typeface, pages and payment code, read back from the PDF."""

import hashlib
import io
import subprocess
import sys
import threading
from dataclasses import replace

import pypdfium2
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from kvit.documents.document import InvoiceDocument, Look, Party
from kvit.documents.payment_qr import payment_payload
from kvit.documents.render import is_archival, render, template_version
from tests.documents.sheets import CANADIAN, CUSTOMER, ORIGINAL, document, line, seller

HOSTILE = [
    '#read("/etc/passwd")',
    '#import "/etc/hosts": *',
    '"; #panic("x") //',
    "*bold* _italic_ `raw` $x^2$ <label> @label",
    "= Heading\n- item\n/ term: text",
    "\\u{41} \\ #sys.inputs #{1+1} [content] ]]] }}}",
    "<svg><script>alert(1)</script></svg>",
    '{"title": "forged"}',
]


def pages(pdf: bytes) -> list[str]:
    return [
        page.extract_text().replace("\xa0", " ").replace("\u200b", "")
        for page in PdfReader(io.BytesIO(pdf)).pages
    ]


def squeezed(text: str) -> str:
    return "".join(text.split())


def codes_on(pdf: bytes) -> list[bytes]:
    """Every QR code that a reader sees on the first page, printed at 200 dots an inch."""
    picture = pypdfium2.PdfDocument(pdf)[0].render(scale=200 / 72, grayscale=True).to_numpy()
    return [code.bytes for code in zxingcpp.read_barcodes(picture.squeeze())]


def test_the_demo_invoice_reads_as_it_should() -> None:
    (text,) = pages(render(document()))
    for phrase in (
        "Счёт на оплату № 2026-00001 от 31 октября 2026 г.",
        "БИК",
        "40702810510000710417",
        "Скидка: VIP, 15 %",
        "Двадцать две тысячи сто пятьдесят рублей 09 копеек",
        "/ Контурова Е. А. /",
    ):
        assert phrase in text
    assert "стр. 1" not in text  # a single page needs no number


def test_the_same_document_gives_the_same_bytes_in_another_process() -> None:
    program = (
        "import hashlib; from tests.documents.sheets import document;"
        "from kvit.documents.render import render;"
        "print(hashlib.sha256(render(document())).hexdigest())"
    )
    first = render(document())
    assert render(document(number="other")) != first  # and nothing of it stays in the compiler
    assert render(document()) == first
    other = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": ":".join(sys.path)}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert other.stdout.strip() == hashlib.sha256(first).hexdigest()


def test_the_document_is_dated_by_its_day_of_issue() -> None:
    about = PdfReader(io.BytesIO(render(document()))).metadata
    assert about is not None
    assert str(about["/CreationDate"]).startswith("D:20261031000000")
    assert about.title == "Счёт на оплату № 2026-00001 от 31 октября 2026 г.".replace(
        "№ ", "№\xa0"
    ).replace("31 октября 2026 г.", "31\xa0октября\xa02026\xa0г.")


@pytest.mark.parametrize("lang", ["ru", "en"])
@pytest.mark.parametrize("kind", ["invoice", "act"])
def test_only_pt_sans_is_used_and_it_is_embedded(kind: str, lang: str) -> None:
    reader = PdfReader(io.BytesIO(render(document(kind=kind, lang=lang))))
    names = set()
    for page in reader.pages:
        for font in page["/Resources"]["/Font"].values():
            (inner,) = font.get_object()["/DescendantFonts"]
            descriptor = inner.get_object()["/FontDescriptor"]
            assert "/FontFile2" in descriptor or "/FontFile3" in descriptor
            names.add(str(descriptor["/FontName"]).split("+")[1])
    assert names == {"PTSans-Regular", "PTSans-Bold"}


def test_the_payment_code_reads_back_byte_for_byte() -> None:
    assert codes_on(render(document())) == [payment_payload(document())]


def test_the_longest_payment_code_reads_back_too() -> None:
    longest = document(
        seller=seller(name="Щ" * 160, bank="Ё" * 45), purpose="Услуги связи, договор " * 20
    )
    payload = payment_payload(longest)
    assert payload is not None
    assert len(payload) > 800
    assert codes_on(render(longest)) == [payload]


@settings(max_examples=15, deadline=None)
@given(
    name=st.text(st.characters(min_codepoint=32, max_codepoint=0x4FF), min_size=1, max_size=160),
    total=st.integers(1, 10**15),
)
def test_any_payment_code_reads_back(name: str, total: int) -> None:
    bill = document(line("x", total), seller=seller(name=name))
    payload = payment_payload(bill)
    assert codes_on(render(bill)) == ([payload] if payload else [])


def test_no_code_without_bank_details_or_outside_roubles() -> None:
    assert codes_on(render(document(seller=seller(bank="")))) == []
    assert codes_on(render(document(currency="CAD", lang="en", seller=CANADIAN))) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_person_typed_is_printed_and_never_obeyed(text: str) -> None:
    everywhere = Party(text, "company", *[text] * 11)
    bill = document(
        line(text, 100, units_text=text, unit_name=text, price_text=text),
        number=text, seller=everywhere, customer=everywhere, basis=text, purpose=text,
        kind="debit_note", corrects=replace(ORIGINAL, number=text), reason=text,
    )  # fmt: skip
    printed = squeezed("".join(pages(render(bill))))
    assert printed.count(squeezed(text)) >= 6
    assert "root:" not in printed


@pytest.mark.parametrize(
    "name",
    ["שלום עולם", "مرحبا بالعالم", "🧾 эмодзи 👨‍👩‍👧", "Ж" * 300, "W" * 5000, "а б " * 3000, ""],
)
def test_any_name_gives_a_sheet(name: str) -> None:
    bill = document(line(name, 100), customer=replace(CUSTOMER, name=name, signer=name))
    assert "Всего к оплате" in "".join(pages(render(bill)))


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=300))
def test_any_text_gives_a_sheet(text: str) -> None:
    bill = document(line(text, 100, unit_name=text), number=text, basis=text)
    assert "Всего к оплате" in "".join(pages(render(bill)))


def test_a_long_table_repeats_its_head_and_counts_its_pages() -> None:
    lines = [line(f"Рейс {i}", 185000, price_text="1 850,00") for i in range(600)]
    texts = pages(render(document(*lines)))
    assert len(texts) > 10
    for place, text in enumerate(texts, start=1):
        assert "Наименование" in text
        assert f"стр. {place} из {len(texts)}" in text
        assert "Счёт на оплату № 2026-00001" in text
    whole = "\n".join(texts).splitlines()
    assert all(any(row.startswith(f"{i + 1} Рейс {i} ") for row in whole) for i in range(600))
    assert "Всего наименований 600" in texts[-1]


def test_a_line_and_its_discounts_stay_on_one_page() -> None:
    lines = [line(f"Рейс {i}", 100000, discounts=document().lines[1].discounts) for i in range(120)]
    texts = pages(render(document(*lines)))
    assert len(texts) > 2
    assert all(text.count("Рейс") == text.count("Скидка") for text in texts)


def test_threads_do_not_disturb_each_other() -> None:
    bills = [document(number=f"2026-{i}") for i in range(8)]
    alone = [render(bill) for bill in bills]
    together: dict[int, bytes] = {}

    def work(first: int) -> None:
        for place in range(first, len(bills), 4):
            together[place] = render(bills[place])

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[place] for place in range(len(bills))] == alone


def correction(kind: str, net: int) -> InvoiceDocument:
    return document(line("Вызовы", net), kind=kind, corrects=ORIGINAL, reason="Сбой обмена")


@pytest.mark.parametrize(
    ("kind", "net"), [("credit_note", -100), ("reversal", -100), ("debit_note", 100), ("act", -100)]
)
def test_every_correction_prints_its_original_and_reason(kind: str, net: int) -> None:
    (text,) = pages(render(correction(kind, net)))
    assert "№ 2026-00001 от 31 октября 2026 г." in text
    assert "Сбой обмена" in text


def test_the_template_has_a_version() -> None:
    assert len(template_version()) == 12
    assert int(template_version(), 16) > 0


def faces(pdf: bytes) -> set[str]:
    return {
        str(font.get_object()["/BaseFont"]).split("+")[1].split("-")[0]
        for page in PdfReader(io.BytesIO(pdf)).pages
        for font in page["/Resources"]["/Font"].values()
    }


@pytest.mark.parametrize(
    ("name", "also"),
    [("ООО «Ёж»", set()), ("שלום עולם", {"LibertinusSerif"}), ("مرحبا", {"DejaVuSansMono"})],
)
def test_the_file_is_made_for_the_archive_in_every_writing_it_has(
    name: str, also: set[str]
) -> None:
    pdf = render(replace(document(), customer=replace(CUSTOMER, name=name)))
    assert is_archival(pdf)
    metadata = PdfReader(io.BytesIO(pdf)).xmp_metadata
    assert metadata is not None
    assert b"<pdfaid:part>3</pdfaid:part>" in pdf
    assert b"<pdfaid:conformance>A</pdfaid:conformance>" in pdf
    assert faces(pdf) == {"PTSans"} | also


@pytest.mark.parametrize("name", ["Ёлка 😀", "日本語"])
def test_a_letter_that_no_typeface_has_is_printed_as_a_box_and_told(name: str) -> None:
    pdf = render(replace(document(), customer=replace(CUSTOMER, name=name)))
    assert pdf.startswith(b"%PDF")
    assert not is_archival(pdf)
    assert pdf == render(replace(document(), customer=replace(CUSTOMER, name=name)))


def test_a_brand_colours_the_title_and_shows_its_logo_and_stays_archival() -> None:
    shape = '<rect width="40" height="10" fill="#c00"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 10">{shape}</svg>'
    branded = render(document(look=Look("#0b57b7", svg)))
    assert is_archival(branded)
    picture = pypdfium2.PdfDocument(branded)[0].render(scale=1).to_numpy()[:, :, :3]
    red, blue = (  # BGR
        (picture == ink).all(axis=2) for ink in ((0, 0, 204), (183, 87, 11))
    )
    assert red.any()
    assert blue.any()
    assert red.nonzero()[0].max() < blue.nonzero()[0].min()  # the logo stands above the title
    assert b"Alt" in branded
    assert pages(branded) == pages(render(document()))
