"""The guard of .ci/run: a test that needs a server cannot skip there unseen."""

import os
import subprocess
import sys

import pytest

SKIPS = """
import pytest

@pytest.mark.server
def test_needs_a_server():
    pytest.skip("no server here")

@pytest.mark.server
@pytest.mark.skipif(True, reason="no server here")
def test_needs_one_too():
    pass

@pytest.mark.server
@pytest.mark.xfail(reason="known")
def test_is_expected_to_fail():
    assert False

def test_needs_nothing():
    pytest.skip("not today")
"""
MODULE_SKIPS = "import pytest\npytest.importorskip('a_library_nobody_has')\n"


@pytest.fixture
def pytest_on(tmp_path):
    """Runs pytest with the guard on a file of this text, and returns (exit status, what it printed)."""

    def run(text, *, ci):
        (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = server\n")
        (tmp_path / "test_it.py").write_text(text)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PENSTOCK_", "PYTEST_"))}
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "tests.support.ci",
            "-p",
            "no:cacheprovider",
            "--rootdir",
        ]
        env |= {"PYTHONPATH": os.pathsep.join(sys.path), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | (
            {"PENSTOCK_CI": "1"} if ci else {}
        )
        command += [tmp_path, tmp_path]
        done = subprocess.run(command, env=env, cwd=tmp_path, check=False, capture_output=True, text=True)
        return done.returncode, done.stdout

    return run


def test_in_ci_a_test_that_needs_a_server_fails_when_it_skips(pytest_on):
    status, printed = pytest_on(SKIPS, ci=True)
    assert status == 1
    assert "1 failed, 1 skipped, 1 xfailed, 1 error" in printed, printed


def test_elsewhere_it_may_skip(pytest_on):
    status, printed = pytest_on(SKIPS, ci=False)
    assert status == 0
    assert "3 skipped, 1 xfailed" in printed, printed


def test_in_ci_a_module_that_skips_as_a_whole_is_an_error(pytest_on):
    status, printed = pytest_on(MODULE_SKIPS, ci=True)
    assert status != 0
    assert "a_library_nobody_has" in printed, printed
