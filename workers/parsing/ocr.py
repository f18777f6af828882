"""Text of pictures, by the tesseract library of the system, where one is installed.

Called in this process through its C interface: the program would be a process of its own, beyond the limits that hold
a parser. Whether pictures are read is a setting (PENSTOCK_OCR) and part of the fingerprint; what of tesseract is
installed is the machine's affair. Where pictures shall be read and it is missing, such documents are refused by name.
"""

import ctypes
import functools
import os
from typing import Any, NamedTuple

from schemas.errors import Reason, Refusal

#: Names of the library, the newest interface first.
_LIBRARIES = ("libtesseract.so.5", "libtesseract.so.4", "libtesseract.5.dylib", "libtesseract-5.dll")
#: Scripts and layouts, not languages; tesseract lists them with the others.
_NO_LANGUAGE = {"osd", "equ", "snum"}
#: Below this (0 to 100) the words are guesses: pictures of anything give letters.
_SURE = 50
#: Dots per inch it is told where the picture does not say; less makes it guess, and warn.
_DPI = 216


class Picture(NamedTuple):
    """Rows of grey pixels, a byte each, `stride` bytes to a row."""

    pixels: bytes
    width: int
    height: int
    stride: int


_switched = {"on": True}


def switch_off() -> None:
    """Read no pictures in this process, whatever is installed."""
    _switched["on"] = False


def is_on() -> bool:
    """Whether pictures shall be read."""
    return _switched["on"]


def missing() -> str | None:
    """What has to be installed before pictures can be read; None if nothing."""
    if _library() is None:
        return "tesseract is not installed"
    return None if _languages() else "tesseract has no language data"


def version() -> str:
    """Of the library, with its languages; only where nothing is missing."""
    return f"{_library().TessVersion().decode()} ({_languages()})"


def require() -> None:
    """Raise the refusal of a document that cannot be read without.

    Raises:
        Refusal: NEEDS_OCR.
    """
    said = missing() if is_on() else "reading pictures is switched off"
    if said is not None:
        raise Refusal(Reason.NEEDS_OCR, said)


def read(picture: Picture) -> str:
    """The text in a picture; "" if there is none to be sure of. `require` first."""
    library = _library()
    engine = ctypes.c_void_p(library.TessBaseAPICreate())
    try:
        if library.TessBaseAPIInit3(engine, None, _languages().encode()) != 0:
            raise Refusal(Reason.NEEDS_OCR, f"tesseract cannot load its data for {_languages()}")
        library.TessBaseAPISetImage(engine, picture.pixels, picture.width, picture.height, 1, picture.stride)
        library.TessBaseAPISetSourceResolution(engine, _DPI)
        found = library.TessBaseAPIGetUTF8Text(engine)
        text = ctypes.string_at(found).decode("utf-8") if found else ""
        library.TessDeleteText(ctypes.c_void_p(found))
        return text if library.TessBaseAPIMeanTextConf(engine) >= _SURE else ""
    finally:
        library.TessBaseAPIDelete(engine)


@functools.cache
def _library() -> Any:
    # One thread: parsing must not compete with the model for the processor.
    os.environ.setdefault("OMP_THREAD_LIMIT", "1")
    for name in _LIBRARIES:
        try:
            library: Any = ctypes.CDLL(name)
        except OSError:
            continue
        library.TessVersion.restype = ctypes.c_char_p
        library.TessBaseAPICreate.restype = ctypes.c_void_p
        library.TessBaseAPIGetUTF8Text.restype = ctypes.c_void_p
        library.TessBaseAPIGetAvailableLanguagesAsVector.restype = ctypes.POINTER(ctypes.c_char_p)
        return library
    return None


@functools.cache
def _languages() -> str:
    """The languages it has data for, as tesseract wants them named: "deu+eng"."""
    library = _library()
    engine = ctypes.c_void_p(library.TessBaseAPICreate())
    try:
        # Without a language it finds its data and loads nothing.
        library.TessBaseAPIInit3(engine, None, b"osd")
        names = library.TessBaseAPIGetAvailableLanguagesAsVector(engine)
        found: list[str] = []
        while names and (name := names[len(found)]) is not None:
            found.append(name.decode())
        return "+".join(sorted({name for name in found if "/" not in name} - _NO_LANGUAGE))
    finally:
        library.TessBaseAPIDelete(engine)
