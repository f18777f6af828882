"""Whatever is lost, repeated, reordered, killed or asleep on the event's path, the index ends as the sources are.

`PROTOCOL_EXAMPLES=1000` lets the state machine run for longer, each time with other examples.
"""

import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.protocol import Protocol

_EXAMPLES = os.environ.get("PROTOCOL_EXAMPLES")
SETTINGS = settings(
    max_examples=int(_EXAMPLES or 60),
    stateful_step_count=40,
    derandomize=not _EXAMPLES,
    database=None,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_the_index_converges_whatever_happens_on_the_way() -> None:
    Protocol.tally.clear()
    run_state_machine_as_test(Protocol, settings=SETTINGS)
    tally = Protocol.tally
    print("exercised:", dict(sorted(tally.items())))
