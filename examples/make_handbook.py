"""Make the handbook's DOCX and PDF: `python examples/make_handbook.py FOLDER` writes them under FOLDER.

Their words live here so that no binary is committed. The same words give the same bytes, whenever they are made: making
them again is no change.
"""

import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from itertools import groupby
from pathlib import Path

from docx import Document
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import ListFlowable, PageBreak, Paragraph, SimpleDocTemplate, Table

AUTHOR = "Larkfield Instruments"

# One line is one block: "# " a heading, "- " a list item, "| " a table row, anything else a paragraph.
PARENTAL_LEAVE = """
# Who it is for
Every parent, by birth, by adoption, or as the partner of one. You need not have worked here for any length of time.
# How long
Twenty-six weeks in full pay for each parent, in up to three parts, until the child's second birthday. Twins make it 30.
After that you may work four days at full pay for half a year, and part-time for as long as you wish.
| part | weeks | pay
| around the birth | 6 | 100 percent
| in the first year | 10 | 100 percent
| until the second birthday | 10 | 100 percent
# What to do
- Tell your team lead when you want to, at the latest ten weeks before.
- Agree with them who takes over what, in writing, on one page.
- Hand back the duty phone; nobody with a child under one carries it.
# Coming back
You come back to your work, your level and your pay, with any raise your level had in the meantime.
"""

SAFETY_GUIDE = """
# In the field
Nobody works on water alone. Two people, two life vests, one phone in a dry bag. The second person stays on land.
Check the river's forecast on the morning itself. Above the second mark on the bridge, turn around; the gauge can wait.
- Life vest: worn from the car on, not from the boat on.
- Waders: never in current above the knee.
- Locks: call the lock keeper before you climb, and again when you are off.
# In the lab
The tank holds nine cubic metres. Its pump is locked out, with your own padlock, before a hand goes in.
Lithium cells are charged in the steel cabinet only. A swollen cell goes into the sand bucket, and the bucket outside.
| what | where | checked
| first-aid box | beside the lift, every floor | monthly
| defibrillator | Utrecht, ground floor, at the stairs | weekly
| fire extinguishers | every staircase | yearly
# If there is a fire
Two blasts of the horn: leave everything and walk out. We meet on the bridge in Utrecht, at the metro entrance in Porto.
The floor wardens in 2026 are Lotte (Utrecht) and Rui (Porto). They count you.
# Accidents
Call 112 first. Then tell your team lead the same day, also if nothing happened.
What nearly happened in 2024 is why there is a padlock on the pump.
"""


def make_handbook(folder: Path) -> list[Path]:
    """Write the made documents under `folder`, and say which."""
    made = {
        folder / "people" / "parental-leave.docx": docx_bytes("Parental leave", PARENTAL_LEAVE),
        folder / "offices" / "safety-guide.pdf": pdf_bytes("Safety guide", SAFETY_GUIDE),
    }
    for path, body in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return list(made)


def docx_bytes(title: str, words: str) -> bytes:
    """A Word document."""
    document = Document()
    properties = document.core_properties
    properties.title, properties.author = title, AUTHOR
    properties.created = properties.modified = datetime(2026, 1, 1, tzinfo=UTC)
    document.add_heading(title, level=0)
    for mark, lines in _blocks(words):
        if mark == "|":
            table = document.add_table(rows=0, cols=len(_cells(lines[0])))
            for line in lines:
                for cell, text in zip(table.add_row().cells, _cells(line), strict=True):
                    cell.text = text
            continue
        for line in lines:
            document.add_paragraph(line, style={"#": "Heading 1", "-": "List Bullet"}.get(mark))
    made = BytesIO()
    document.save(made)
    return _without_clock(made.getvalue())


def pdf_bytes(title: str, words: str) -> bytes:
    """A PDF, each section on a page of its own so that pages mean something."""
    styles = getSampleStyleSheet()
    story = [Paragraph(title, styles["Title"])]
    for mark, lines in _blocks(words):
        if mark == "#":
            story += [*([PageBreak()] if len(story) > 1 else []), Paragraph(lines[0], styles["Heading1"])]
        elif mark == "|":
            story.append(Table([_cells(line) for line in lines]))
        elif mark == "-":
            story.append(ListFlowable([Paragraph(line, styles["BodyText"]) for line in lines]))
        else:
            story += [Paragraph(line, styles["BodyText"]) for line in lines]
    made = BytesIO()
    # invariant: no creation time, no random document id.
    SimpleDocTemplate(made, pagesize=A4, title=title, author=AUTHOR, invariant=1).build(story)
    return made.getvalue()


def _blocks(words: str) -> Iterator[tuple[str, list[str]]]:
    """Lines of the same kind that follow each other, without their mark: ("-", [item, item])."""
    for mark, lines in groupby(words.strip().splitlines(), lambda line: line[0] if line[0] in "#-|" else ""):
        yield mark, [line.removeprefix(mark).strip() for line in lines]


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.split("|")]


def _without_clock(archive: bytes) -> bytes:
    """The same ZIP with every member dated 1980, which is what makes it equal each time."""
    made = BytesIO()
    with zipfile.ZipFile(BytesIO(archive)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), old.read(name), zipfile.ZIP_DEFLATED)
    return made.getvalue()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/make_handbook.py FOLDER")
    for path in make_handbook(Path(sys.argv[1])):
        print(path)
