"""A real browser without a screen: what a page becomes in it, and what it complains of. From Debian's packages."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

#: The smaller one first: it is the same engine without the windows.
PROGRAMS = ("chromium-headless-shell", "chromium")
#: Seconds. A page takes one; a loaded machine some.
TIMEOUT_S = 120

_COMPLAINT = re.compile(r":CONSOLE[:(]\d+\)?\] (.*)")


class Rendered(NamedTuple):
    """The document after it was shown, as HTML, and the lines of the console."""

    dom: str
    console: list[str]


def program() -> str | None:
    """The browser on this machine, if there is one."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


def render(page: Path, profile: Path) -> Rendered:
    """Show a page to the end. profile: an empty folder, for what a browser keeps."""
    done = _run(profile, "--dump-dom", page.absolute().as_uri())
    return Rendered(done.stdout, _COMPLAINT.findall(done.stderr))


def screenshot(page: Path, profile: Path, to: Path, *, width: int = 1200, height: int = 1000) -> None:
    """Take a picture of a page's beginning, as PNG."""
    options = (f"--screenshot={to.absolute()}", f"--window-size={width},{height}", "--hide-scrollbars")
    _run(profile, *options, page.absolute().as_uri())


def _run(profile: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    found = program()
    assert found, f"none of {PROGRAMS} is here"
    # No sandbox: its own needs a kernel setting that containers lack, and the page is ours.
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", f"--user-data-dir={profile}")
    return subprocess.run([found, *options, *arguments], check=True, capture_output=True, text=True, timeout=TIMEOUT_S)
