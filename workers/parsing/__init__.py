"""Bytes to blocks: what kind a document is, one small parser for each kind, and the child process they run in.

    sniff.py      what the bytes are: content first, name second
    registry.py   the table of kinds: parser, version; runs one parser and holds it to the promises
    decoding.py   bytes of text to text, without mojibake
    markdown.py, text.py, delimited.py, mail.py, pdf.py, xlsx.py      parsers of our own or of one small library
    webpage.py, docx.py, pptx.py      parsers through unstructured, by way of elements.py
    sandbox.py    ParserProcess: the parent's side; child.py the other; pipes.py what runs between them

Nothing that comes in non-empty goes out empty: what yields no text is refused by name.
"""
