"""Documents of any length for benchmarks/parsing.py: prose, lists and tables, as people file them."""

import io
import random
import zipfile

from benchmarks import _handbook as handbook
from tests.support import documents

_HEAD = ["Site", "What", "Limit"]


def _prose(rng, sentences=4):
    return " ".join(handbook.sentence(rng) for _ in range(sentences))


def _row(rng):
    return [rng.choice(handbook.PLACES), rng.choice(handbook.OBJECTS), str(rng.randrange(9000))]


def text(characters):
    return handbook.document(1, characters).encode()


def html(parts):
    return documents.html(body="".join(_section(random.Random(part)) for part in range(parts)))


def _section(rng):
    items = "".join(f"<li>{handbook.sentence(rng)}</li>" for _ in range(3))
    rows = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in _row(rng)) + "</tr>" for _ in range(4))
    head = "".join(f"<th>{cell}</th>" for cell in _HEAD)
    table = f"<table><tr>{head}</tr>{rows}</table>"
    return f"<h2>{rng.choice(handbook.OBJECTS)}</h2><p>{_prose(rng)}</p><ul>{items}</ul><p>{_prose(rng)}</p>{table}"


def docx(parts):
    from docx import Document

    document = Document()
    for part in range(parts):
        rng = random.Random(part)
        document.add_heading(rng.choice(handbook.OBJECTS), 2)
        document.add_paragraph(_prose(rng))
        for _ in range(3):
            document.add_paragraph(handbook.sentence(rng), style="List Bullet")
        if part % 4 == 0:
            table = document.add_table(0, len(_HEAD))
            for row in (_HEAD, *(_row(rng) for _ in range(4))):
                for cell, value in zip(table.add_row().cells, row, strict=True):
                    cell.text = value
    return _saved(document)


def pptx(parts):
    from pptx import Presentation

    deck = Presentation()
    for part in range(parts):
        rng = random.Random(part)
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = rng.choice(handbook.OBJECTS)
        slide.placeholders[1].text = "\n".join(handbook.sentence(rng) for _ in range(6))
    return _saved(deck)


def xlsx(parts):
    return documents.xlsx({"Limits": _rows(parts)})


def csv(parts):
    return documents.csv(_rows(parts))


def _rows(parts):
    rng = random.Random(1)
    return [_HEAD, *([*_row(rng)[:2], rng.randrange(9000)] for _ in range(20 * parts))]


def eml(parts):
    return documents.eml(html=html(parts).decode())


def xml(parts):
    entries = []
    for part in range(parts):
        rng = random.Random(part)
        entries.append(f"<entry><name>{rng.choice(handbook.OBJECTS)}</name><text>{_prose(rng)}</text></entry>")
    return f"<?xml version='1.0'?><entries>{''.join(entries)}</entries>".encode()


def epub(parts):
    container = "<container><rootfiles><rootfile full-path='book.opf'/></rootfiles></container>"
    names = [f"{part}.xhtml" for part in range(-(-parts // 8))]
    manifest = "".join(
        f"<item id='c{i}' href='{name}' media-type='application/xhtml+xml'/>" for i, name in enumerate(names)
    )
    spine = "".join(f"<itemref idref='c{i}'/>" for i in range(len(names)))
    package = (
        f"<package xmlns='http://www.idpf.org/2007/opf'><manifest>{manifest}</manifest><spine>{spine}</spine></package>"
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("book.opf", package)
        for i, name in enumerate(names):
            body = "".join(_section(random.Random(part)) for part in range(8 * i, min(parts, 8 * i + 8)))
            archive.writestr(name, f"<html><body>{body}</body></html>")
    return out.getvalue()


def pdf(parts):
    import textwrap

    pages = []
    for part in range(parts):
        rng = random.Random(part)
        pages.append("\n".join(textwrap.wrap(_prose(rng, 20), 80)[:40]))
    return documents.pdf(pages)


def _saved(document):
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()
