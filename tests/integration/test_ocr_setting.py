"""Whether pictures are read is decided once per home and recorded; `doctor --fix` decides it again."""

import io

import pytest
from PIL import Image

from infra.ledger import open_ledger
from infra.settings import Settings
from penstock.compose import ledger_url
from penstock.doctor import fix
from penstock.workshop import workshop
from schemas.errors import Reason, Refusal
from workers.parsing import ocr
from workers.parsing.sandbox import ParserProcess


def picture():
    out = io.BytesIO()
    Image.new("L", (40, 40), 255).save(out, "PNG")
    return out.getvalue()


def held(stage):
    report = stage.index(stage.folders[0])
    return [one["reason"] for one in report.refused], report


def test_what_needed_tesseract_is_tried_again_after_doctor_fix(stage, monkeypatch):
    stage.folders[0].put("a.png", picture())
    monkeypatch.setattr(ocr, "missing", lambda: "tesseract is not installed")
    assert held(stage)[0] == [Reason.NEEDS_OCR]
    # It is installed: nothing changes by itself, on this machine or another.
    monkeypatch.setattr(ocr, "missing", lambda: None)
    monkeypatch.setattr(ocr, "read", lambda _: "Employees book rail travel.")
    assert held(stage)[0] == [Reason.NEEDS_OCR]
    with workshop(stage.settings) as shop:
        assert "pictures and scanned pages are read from now on" in fix(stage.settings, shop)
    refused, report = held(stage)
    assert refused == []
    assert report.chunks["total"] == 1
    with workshop(stage.settings) as shop:
        assert not any("pictures" in line for line in fix(stage.settings, shop))


def test_a_setting_outdoes_what_was_decided(stage, monkeypatch):
    monkeypatch.setattr(ocr, "missing", lambda: None)
    with workshop(stage.settings) as shop:
        decided = shop.pipeline.fingerprint
    with workshop(Settings(**stage.settings.model_dump() | {"ocr": "off"})) as shop:
        assert shop.pipeline.fingerprint != decided
        assert {
            kind for kind in decided.parsers if decided.parsers[kind] != shop.pipeline.fingerprint.parsers[kind]
        } == {*("pdf", "png", "jpeg", "tiff", "gif", "webp", "bmp")}
    ledger = open_ledger(ledger_url(stage.settings), now=0.0)
    assert ledger.get("ocr") is True
    ledger.close()


def test_the_parser_process_is_told():
    with ParserProcess(ocr=False) as parser, pytest.raises(Refusal) as refused:
        parser.parse(picture(), "a.png")
    assert (refused.value.reason, refused.value.detail) == (Reason.NEEDS_OCR, "reading pictures is switched off")
