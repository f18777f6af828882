"""An intake in a process of its own, to be killed and stopped: SERVERS GROUP TOPIC DEAD_LETTERS LEDGER_URL.

Prints one JSON line for each round that took something in, and its log; ends at SIGTERM.
"""

import json
import signal
import sys
import threading
import time

from infra.kafka import KafkaPublisher, KafkaStream
from infra.ledger import open_ledger
from workers.intake import Intake


def main(servers: str, group: str, topic: str, dead_letters: str, ledger_url: str) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    stream, publisher = KafkaStream(servers, [topic], group=group), KafkaPublisher(servers)
    intake = Intake(
        stream,
        publisher,
        open_ledger(ledger_url, now=time.time()),
        dead_letters=dead_letters,
        wake=lambda _: None,
        sweep=lambda: 0,
        now=time.time,
        high_water=1_000_000,
        low_water=1,
    )
    while not stop.is_set():
        if taken := intake.step(0.2):
            print(json.dumps({"taken": taken}), flush=True)
    stream.close()
    publisher.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
