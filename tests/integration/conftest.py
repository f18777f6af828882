"""What tests of the parts together share."""

from collections.abc import Iterator

import pytest

from tests.support.convergence import room
from tests.support.stage import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A home and two tenants' folders, in this process."""
    made = Stage(room())
    yield made
    made.close()
