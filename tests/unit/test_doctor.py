"""What doctor says of pushes and queues, without any server."""

import pytest

from infra.settings import Settings
from penstock import doctor
from schemas.errors import Unreachable

SECRETS = {"acme": ["whsec_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"], "globex": ["whsec_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"]}
SERVERS = {"kafka_bootstrap_servers": "127.0.0.1:1"}


@pytest.fixture
def pushes(tmp_path):
    path = tmp_path / "sources.yaml"
    path.write_text("sources:\n- uri: push://handbook/\n")
    return {"sources": path}


def said(**given):
    return {part: (state, detail) for part, state, detail in doctor._webhooks(Settings(**given))}


def test_webhook_keys_are_counted_and_never_shown():
    found = said(webhook_secrets=SECRETS)
    assert found == {"webhooks": (doctor.OK, "tenants with keys: 2")}


def test_a_push_store_in_a_folder_is_warned_of_on_servers_only(pushes):
    for given in ({"webhook_secrets": SECRETS}, pushes):
        state, detail = said(**SERVERS, **given)["push store"]
        assert state == doctor.WARN
        assert "PENSTOCK_PUSH_STORE" in detail
        assert "push store" not in said(**given)
        assert "push store" not in said(**SERVERS, **given, push_store="s3://b/pushed/")
    assert said(**SERVERS) == {}


def test_a_queue_that_does_not_answer_is_named(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    assert list(doctor._sqs(Settings())) == []
    settings = Settings(sqs_queue_url="http://127.0.0.1:1/1/q", sqs_endpoint_url="http://127.0.0.1:1")
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
        list(doctor._sqs(settings))


def test_what_reads_pictures_is_named_or_missed(monkeypatch):
    from workers.parsing import ocr

    def found():
        return {part: (state, detail) for part, state, detail in doctor._parsers(Settings())}["ocr"]

    monkeypatch.setattr(ocr, "missing", lambda: "tesseract is not installed")
    state, detail = found()
    assert state == doctor.WARN
    assert "needs-ocr" in detail
    assert "apt-get install tesseract-ocr" in detail
    monkeypatch.setenv("PENSTOCK_OCR", "off")
    assert found()[0] == doctor.OK
    monkeypatch.delenv("PENSTOCK_OCR")
    monkeypatch.setattr(ocr, "missing", lambda: None)
    monkeypatch.setattr(ocr, "version", lambda: "5.3.0 (deu+eng)")
    assert found() == (doctor.OK, "tesseract 5.3.0 (deu+eng) reads pictures and scanned pages")


def test_every_kind_that_is_read_is_listed():
    from workers.parsing.registry import FORMATS

    details = [detail for _, _, detail in doctor._parsers(Settings())]
    assert all(kind in details[0] for kind in FORMATS)
