"""In CI a skip must not pass for a success: with PENSTOCK_CI set, a test marked `server` that skips has failed."""

import os

import pytest


def _fail(report, what):
    report.outcome = "failed"
    report.longrepr = f"{what} was skipped, which PENSTOCK_CI forbids: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    skipped = report.skipped and not hasattr(report, "wasxfail")
    if skipped and item.get_closest_marker("server") and os.environ.get("PENSTOCK_CI"):
        _fail(report, "a test that needs a server")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    """A module that skips as a whole never shows its marks, so every such skip counts."""
    report = yield
    if report.skipped and os.environ.get("PENSTOCK_CI"):
        _fail(report, "a whole module")
    return report
