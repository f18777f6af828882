"""The fixture `services`: one running set per pytest process, its parts started when a test first asks for them.

A test gets what it needs by `services.fresh_database()` and the like, or a whole composition by
`services.environment()`. A part that cannot be had skips the test with the reason; where the test is marked `server`,
tests/support/ci.py makes that a failure in CI. What a test kills it starts again.
"""

from collections.abc import Iterator

import pytest

from tests.support.services.composition import Services, temporary_services
from tests.support.services.server import Unavailable


@pytest.fixture(scope="session")
def services() -> Iterator[Services]:
    """Kafka, Redis, PostgreSQL, S3 and Qdrant: given by PENSTOCK_TEST_*, or started here."""
    with temporary_services() as found:
        yield found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    return (yield from _skipping())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    return (yield from _skipping())


def _skipping():
    try:
        return (yield)
    except Unavailable as reason:
        pytest.skip(str(reason))
