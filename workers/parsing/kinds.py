"""The tables that `sniff` goes by: kinds and their MIME types, endings of names, signatures."""

import re

#: Every kind that is read.
CONTENT_TYPES = {
    "markdown": "text/markdown",
    "text": "text/plain",
    "html": "text/html",
    "xml": "application/xml",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
    "eml": "message/rfc822",
    "msg": "application/vnd.ms-outlook",
    "code": "text/x-source",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "tiff": "image/tiff",
    "gif": "image/gif",
    "webp": "image/webp",
    "bmp": "image/bmp",
    "rtf": "application/rtf",
    "odt": "application/vnd.oasis.opendocument.text",
    "epub": "application/epub+zip",
    "zip": "application/zip",
}

#: Endings of source code and configuration.
_CODE = """
    asm awk bash bat c cc cfg cjs clj cmake cmd coffee conf cpp cs css csx cxx d dart diff dockerfile el elm env erl
    ex exs f f90 fish fs fsx gd go gql gradle graphql groovy h hcl hh hpp hrl hs htaccess hxx ini java jl js json5
    jsonc jsx kt kts less lisp lua m mjs mk ml mli mm nim nix pas patch php pl pm pony properties proto ps1 psm1 pxd
    py pyi pyx r rb rego rkt rs s sass scala scm scss sh sol sql svelte swift tcl tf tfvars toml ts tsx v vb vhd
    vhdl vim vue yaml yml zig zsh
"""

#: Kinds that only the name can tell from plain text.
BY_NAME = {
    "md": "markdown",
    "markdown": "markdown",
    "mdown": "markdown",
    "mkd": "markdown",
    "html": "html",
    "htm": "html",
    "xhtml": "html",
    "xml": "xml",
    "json": "json",
    "geojson": "json",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "csv": "csv",
    "tsv": "csv",
    "eml": "eml",
    **dict.fromkeys(_CODE.split(), "code"),
}

#: Signatures of pictures.
PICTURES = (
    (re.compile(rb"\x89PNG\r\n"), "png"),
    (re.compile(rb"\xff\xd8\xff"), "jpeg"),
    (re.compile(rb"II\*\x00|MM\x00\*"), "tiff"),
    (re.compile(rb"GIF8[79]a"), "gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "webp"),
    (re.compile(rb"BM.{4}\x00{4}", re.DOTALL), "bmp"),
)

#: Signatures of what is not read, in the words a person is told.
FOREIGN = (
    (b"RIFF", "a sound or film (RIFF)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a Windows program"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"ID3", "an MP3 sound"),
    (b"OggS", "an Ogg sound or film"),
    (b"fLaC", "a FLAC sound"),
    (b"PAR1", "a Parquet file"),
    (b"%!PS", "a PostScript document"),
)
