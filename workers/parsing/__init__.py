"""Bytes to blocks: what kind a document is, one small parser for each kind, and the processes they run in.

    sniff.py      what the bytes are: content first, name second
    registry.py   the table of kinds: parser, version; runs one parser and holds it to the promises
    kinds.py      the tables sniff.py goes by
    decoding.py   bytes of text to text, without mojibake; guessing.py where no encoding is named
    markdown.py, text.py, delimited.py, mail.py, pdf.py, xlsx.py      parsers of our own or of one small library
    xmldoc.py, jsondoc.py, jsonlines.py, sourcecode.py, rtf.py, odt.py, epub.py, outlook.py      more of them
    picture.py, scans.py      what OCR reads, through ocr.py
    webpage.py, docx.py, pptx.py      parsers through unstructured, by way of elements.py
    unseen.py, styles.py, pdfunseen.py, pdfpen.py      text that no reader sees, of pages and of PDFs
    dates.py      dates as formats write them, in ISO 8601
    sandbox.py    ParserProcess, for who waits; process.py is a server as its parent sees it
    server.py     has the parsers loaded, and forks child.py per document, one ahead of time (spare.py)
    limits.py     what one document may take, and how that is held; pipes.py what runs between them all

Nothing that comes in non-empty goes out empty: what yields no text is refused by name.
"""
