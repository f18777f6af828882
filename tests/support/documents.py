"""Sample documents, made by code: no binary is stored in the repository."""

import io
from collections.abc import Iterable, Sequence
from email.message import EmailMessage

Rows = Sequence[Sequence[object]]

#: What every structured sample says, so that one assertion fits all formats.
TITLE = "Travel policy"
SENTENCE = "Employees book rail travel in second class."
RATES: Rows = (("City", "Per night"), ("Oslo", 180), ("Rome", 140))


def docx(*, title: str = TITLE, body: Iterable[str] = (SENTENCE,), table: Rows | None = RATES) -> bytes:
    """A Word document: title, "Booking" with `body`, "Rates" with a table, a list."""
    from docx import Document

    document = Document()
    document.core_properties.title = title
    document.add_heading(title, level=1)
    document.add_heading("Booking", level=2)
    for paragraph in body:
        document.add_paragraph(paragraph)
    document.add_paragraph("first item", style="List Bullet")
    if table:
        document.add_heading("Rates", level=2)
        grid = document.add_table(rows=0, cols=len(table[0]))
        for row in table:
            for cell, value in zip(grid.add_row().cells, row, strict=True):
                cell.text = str(value)
    return _saved(document)


def pptx(
    *, slides: Sequence[tuple[str, str]] = ((TITLE, SENTENCE), ("Rates", "See the table.")), notes: str = ""
) -> bytes:
    """A presentation of (title, text) slides; the last one also has a table of rates."""
    from pptx import Presentation
    from pptx.util import Inches

    presentation = Presentation()
    for title, text in slides:
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = text
        if notes:
            slide.notes_slide.notes_text_frame.text = notes
    grid = slide.shapes.add_table(len(RATES), len(RATES[0]), Inches(1), Inches(5), Inches(6), Inches(1)).table
    for r, row in enumerate(RATES):
        for c, value in enumerate(row):
            grid.cell(r, c).text = str(value)
    return _saved(presentation)


def xlsx(sheets: dict[str, Rows] | None = None) -> bytes:
    """A workbook of named sheets."""
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    for name, rows in (sheets or {"Rates": RATES, "Notes": (("Note",), (SENTENCE,))}).items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    return _saved(book)


def pdf(
    pages: Sequence[str] = (SENTENCE, "Hotels cost at most 180."),
    *,
    title: str | None = TITLE,
    user_password: str | None = None,
    owner_password: str = "owner",
) -> bytes:
    """A PDF with one line of text to a page ("" is a page without text).

    user_password: None, no protection; "", opens for everybody but is locked against changes; else asks for it.
    """
    from reportlab.lib.pdfencrypt import StandardEncryption
    from reportlab.pdfgen.canvas import Canvas

    out = io.BytesIO()
    protection = None if user_password is None else StandardEncryption(user_password, owner_password, strength=128)
    canvas = Canvas(out, encrypt=protection, invariant=1)
    if title:
        canvas.setTitle(title)
    for text in pages:
        for i, line in enumerate(text.splitlines()):
            canvas.drawString(72, 720 - 16 * i, line)
        canvas.rect(72, 400, 100, 100)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def eml(*, subject: str = TITLE, text: str = SENTENCE, html: str | None = None, attachment: str | None = None) -> bytes:
    """A mail; with `html` it has both forms, with `attachment` a file of that name."""
    mail = EmailMessage()
    mail["From"] = "Ada Lovelace <ada@example.org>"
    mail["To"] = "all@example.org"
    mail["Subject"] = subject
    mail["Date"] = "Mon, 02 Mar 2026 09:00:00 +0000"
    mail["Message-ID"] = "<1@example.org>"
    mail.set_content(text)
    if html:
        mail.add_alternative(html, subtype="html")
    if attachment:
        mail.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename=attachment)
    return mail.as_bytes()


def html(*, title: str = TITLE, body: str | None = None) -> bytes:
    """A page with two levels of headings, a list, code and a table."""
    rows = "".join("<tr>" + "".join(f"<td>{v}</td>" for v in row) + "</tr>" for row in RATES)
    inner = body or (
        f"<h1>{title}</h1><h2>Booking</h2><p>{SENTENCE}</p><ul><li>first item</li><li>second item</li></ul>"
        f"<pre>book --class 2\n  --rail</pre><h2>Rates</h2><table>{rows}</table>"
    )
    return f"<!doctype html><html lang=en><head><title>{title}</title></head><body>{inner}</body></html>".encode()


def csv(rows: Rows = RATES, *, delimiter: str = ",") -> bytes:
    """Delimited text."""
    import csv as stdlib_csv

    out = io.StringIO()
    stdlib_csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode()


def png() -> bytes:
    """The first bytes of a picture, enough to be recognised as one."""
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(64)


def junk(size: int = 4096) -> bytes:
    """Bytes that are no text in any encoding, the same every time."""
    return bytes((i * 197 + (i >> 3) * 31) % 256 for i in range(size))


def _saved(document: object) -> bytes:
    out = io.BytesIO()
    document.save(out)  # type: ignore[attr-defined]
    return out.getvalue()
