"""Fixtures for every rung of tests."""

from collections.abc import Iterator

import pytest

from tests.support.s3 import Store, any_store

pytest_plugins = ["tests.support.ci", "tests.support.services.fixtures"]


@pytest.fixture(scope="session")
def s3() -> Iterator[Store]:
    """A real S3 API: `endpoint_url`, credentials, `client()`, `new_bucket()`, `environment()` for child processes."""
    with any_store() as store:
        yield store
