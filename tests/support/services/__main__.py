"""The verbs of the package; see its docstring."""

import os
import sys
from pathlib import Path

import tests.support.services as package
from tests.support.s3 import build_versitygw
from tests.support.services import local
from tests.support.services.kafka import build_kafka
from tests.support.services.server import ROOT, Unavailable


def build() -> None:
    """Fetch and build ahead of the tests; what cannot be had is said, and skips them later."""
    try:
        build_kafka()
    except Unavailable as reason:
        print(reason, file=sys.stderr)
    if build_versitygw() is None:
        print("no Go that can build versitygw: tests that need only S3 use moto, others skip", file=sys.stderr)


def main(arguments: list[str]) -> int:
    """Exit status 0, 1 where a part cannot be had or does not start, 2 for a wrong verb."""
    # Where the folders are that `start` makes: the checkout, unless a test says otherwise.
    root = Path(os.environ.get("PENSTOCK_TEST_SERVICES_ROOT", ROOT))
    verbs = {"build": build, "start": lambda: local.start(root), "stop": lambda: local.stop(root)}
    if len(arguments) != 1 or arguments[0] not in verbs:
        print(package.__doc__, file=sys.stderr)
        return 2
    try:
        verbs[arguments[0]]()
    except (Unavailable, RuntimeError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
