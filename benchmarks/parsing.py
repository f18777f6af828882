"""Parsing in its sandbox against the bare library in this process, format by format, on the same documents in turn.

    python -m benchmarks.parsing [--rounds 9] [--formats html docx ...]

Both are warm. Documents are as large as it takes for the bare library to need 100 ms; Markdown and text, which no
library reads for us, are small and middling too. Our share has the process, its limits and both pipes in it. The bare
library has its guesses at titles on, as it comes, on the blank English model where spaCy's is not installed.
"""

import argparse
import importlib.util
import io
import time
from statistics import median

from benchmarks import _parsing_documents as make
from benchmarks._verdict import ratio, verdict
from workers.parsing.sandbox import ParserProcess

#: Seconds the bare library needs for a document, at least.
LONG_S = 0.1
#: Characters of Markdown and text: a note, a page, a chapter.
TEXTS = (1_000, 10_000, 100_000)


def unstructured(kind):
    """A call of the library's own partitioner of this kind."""
    partition = getattr(importlib.import_module(f"unstructured.partition.{kind}"), f"partition_{kind}")
    return lambda body: partition(file=io.BytesIO(body))


def pypdf(body):
    from pypdf import PdfReader

    return [page.extract_text() for page in PdfReader(io.BytesIO(body)).pages]


def chapters(body):
    """An EPUB without pandoc, which the library would ask for: its chapters as the pages they are."""
    import zipfile

    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return [unstructured("html")(archive.read(name)) for name in archive.namelist() if name.endswith("html")]


#: Format -> how to make one of about n parts, and how the bare library reads it.
LIBRARIES = {
    "html": (make.html, lambda: unstructured("html")),
    "docx": (make.docx, lambda: unstructured("docx")),
    "pptx": (make.pptx, lambda: unstructured("pptx")),
    "xlsx": (make.xlsx, lambda: unstructured("xlsx")),
    "csv": (make.csv, lambda: unstructured("csv")),
    "eml": (make.eml, lambda: unstructured("email")),
    "xml": (make.xml, lambda: unstructured("xml")),
    "epub": (make.epub, lambda: chapters),
    "pdf": (make.pdf, lambda: pypdf),
}


def seconds(work, *given, clock=time.perf_counter):
    began = clock()
    work(*given)
    return clock() - began


def long_enough(build, bare):
    """A document that takes the bare library LONG_S of the processor, whoever else is using it."""
    parts = 4
    while True:
        body = build(parts)
        if min(seconds(bare, body, clock=time.process_time) for _ in range(4)) >= LONG_S:
            return body
        parts += parts // 2


def compare(parser, body, name, bare, rounds):
    """Pairs of seconds, the bare library's and ours."""
    parser.parse(body, name)
    bare(body)
    return [(seconds(bare, body), seconds(parser.parse, body, name)) for _ in range(rounds)]


def report(what, body, pairs, bound):
    theirs, ours = (1000 * median(taken) for taken in zip(*pairs, strict=True))
    label = f"{what}, {len(body) / 1000:.0f} kB: bare {theirs:.1f} ms / sandboxed {ours:.1f} ms"
    return verdict(label, ratio(pairs), ">=", bound)


def blank_model():
    """unstructured downloads spaCy's model where it is not installed, and fails where it cannot."""
    import spacy
    from unstructured.nlp import tokenize

    if importlib.util.find_spec(tokenize._SPACY_MODEL_NAME) is None:
        pipeline = spacy.blank("en")
        pipeline.add_pipe("sentencizer")
        tokenize._load_spacy_model = lambda: pipeline


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--formats", nargs="*", default=[*LIBRARIES, "md", "txt"])
    asked = parser.parse_args()
    blank_model()
    with ParserProcess() as ours:
        for name in asked.formats:
            if name in LIBRARIES:
                build, bare = LIBRARIES[name]
                body = long_enough(build, bare())
                report(name, body, compare(ours, body, f"a.{name}", bare(), asked.rounds), 0.9)
                continue
            # Its Markdown goes through a package it does not bring: its plain text is the lesser work.
            kind = "md" if name == "md" and importlib.util.find_spec("markdown") else "text"
            for size in TEXTS:
                body = make.text(size)
                pairs = compare(ours, body, f"a.{name}", unstructured(kind), asked.rounds)
                report(f"{name} (bare: partition_{kind})", body, pairs, 5)


if __name__ == "__main__":
    main()
