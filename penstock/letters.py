"""`dead-letters list` and `replay`, in the shape of `--json`."""

import time
from typing import Any

from infra.settings import Settings
from penstock.compose import existing_ledger
from penstock.scaled import require
from schemas.payload import rfc3339


def list_letters(settings: Settings) -> dict[str, Any]:
    """{"letters": [{"id", "reason", "detail", "at", "position"}], "sent", "vanished"}: those that wait."""
    ledger = existing_ledger(settings)
    waiting = ledger.letters.list() if ledger else []
    shown = [
        {"id": one.id, "reason": one.reason, "detail": one.detail, "at": rfc3339(one.at), "position": one.position}
        for one in waiting
    ]
    return {"letters": shown, "sent": [], "vanished": []}


def replay_letters(settings: Settings) -> dict[str, Any]:
    """Send every waiting one to where it came from; the same shape, with the ids sent and those no longer kept."""
    require(settings, "dead-letters replay")
    from infra.kafka import KafkaPublisher, read_record
    from workers.dead_letters import replay

    ledger, servers = existing_ledger(settings), settings.kafka_bootstrap_servers
    assert servers is not None
    publisher = KafkaPublisher(servers)
    try:
        assert ledger is not None
        done = replay(ledger, publisher, lambda topic, part, at: read_record(servers, topic, part, at), now=time.time)
    finally:
        publisher.close()
    return {"letters": list_letters(settings)["letters"], "sent": done.sent, "vanished": done.vanished}
