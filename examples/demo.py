"""`make demo`: a folder becomes searchable, a policy in it changes, and the answer follows.

All of it through the command line, as a person would type it.

`make demo DOCS=path` does it on a folder of yours, which is read and never written to.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

from make_handbook import make_handbook

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / ".demo"
PENSTOCK = Path(sys.executable).parent / "penstock"

QUESTION = "How much may a hotel cost?"
POLICY = "policies/travel.md"
ANSWER = re.compile(r"up to (\d+) euros a night")


def on_the_handbook() -> None:
    """Index a fresh copy of examples/handbook, change what a hotel may cost, and ask again."""
    folder, home = DEMO / "handbook", DEMO / "home"
    for left_over in (folder, home):
        shutil.rmtree(left_over, ignore_errors=True)
    shutil.copytree(ROOT / "examples" / "handbook", folder)
    make_handbook(folder)
    # A demo on a laptop that knows of servers must not write to them.
    env = {k: v for k, v in os.environ.items() if not k.startswith("PENSTOCK_")} | {"PENSTOCK_HOME": str(home)}

    step(f"A company handbook of {sum(p.is_file() for p in folder.rglob('*'))} documents: make it searchable.")
    note(f"$ export PENSTOCK_HOME={shown(home)}")
    run("index", shown(folder), env=env)
    step("Ask it something.")
    before = answer(env)

    step(f"Now the policy changes: {before} becomes 150 euros a night in {POLICY}.")
    note(f"$ sed -i 's/to {before} euros a night/to 150 euros a night/' {shown(folder / POLICY)}")
    text = (folder / POLICY).read_text()
    (folder / POLICY).write_text(text.replace(f"to {before} euros a night", "to 150 euros a night"))
    cost = json.loads(run("index", shown(folder), "--json", env=env, stdout=subprocess.PIPE))
    step("Ask again.")
    after = answer(env)

    step(f"The answer was {before} euros, and is {after} euros now.")
    if (before, after) != ("120", "150"):
        sys.exit("The answer should have gone from 120 to 150: this is a fault of Penstock's, please report it.")
    documents, chunks = cost["documents"], cost["chunks"]
    note(
        f"It cost {cost['seconds']:.1f} s: {documents['seen']} documents looked at, {documents['updated']} updated,\n"
        f"{chunks['embedded']} of {chunks['total']} chunks embedded ({cost['characters_embedded']} characters), "
        f"{chunks['reused']} reused."
    )
    what_next(home, shown(folder))
    note("$ make demo DOCS=~/Documents/policies   # the same on a folder of your own")


def on_your_own(docs: str) -> None:
    """Index the user's folder (or s3:// prefix) into a home outside of it, and ask about something that is in it."""
    source, home = docs, DEMO / "homes" / _name(docs)
    if "://" not in docs:
        folder = Path(docs).expanduser().resolve()
        if not folder.exists():
            sys.exit(f"{folder} does not exist. Usage: make demo DOCS=/path/to/a/folder")
        source, home = str(folder), DEMO / "homes" / _name(str(folder))
        if home.is_relative_to(folder):  # this checkout is inside the folder, which we do not write to
            home = Path(tempfile.gettempdir()) / f"penstock-demo-{_name(source)}"
    env = os.environ | {"PENSTOCK_HOME": str(home)}

    step(f"Make {source} searchable. It is only read; the index lives in {shown(home)}.")
    note(f"$ export PENSTOCK_HOME={shlex.quote(shown(home))}")
    run("index", source, env=env)
    question = os.environ.get("PENSTOCK_DEMO_QUESTION") or _question(env)
    if not question:
        sys.exit("Nothing in it can be searched: the lines above say why.")
    step("Ask it something.")
    run("search", question, env=env)
    step("Change a file in it and run this demo again: it will cost what you changed.")
    what_next(home, source)


def answer(env: dict[str, str]) -> str:
    """Ask the question, and find the figure in what is printed."""
    printed = run("search", QUESTION, "--limit", "1", env=env, stdout=subprocess.PIPE)
    found = ANSWER.search(" ".join(printed.split()))
    return found[1] if found else "unknown"


def run(*args: str, env: dict[str, str], stdout: int | None = None) -> str:
    """Show a command, run it, and return what it printed if `stdout` is a pipe. Ends the demo if it cannot go on."""
    note(f"$ {shown(PENSTOCK)} {shlex.join(args)}")
    done = subprocess.run([PENSTOCK, *args], cwd=ROOT, env=env, check=False, stdout=stdout, text=True)
    printed = done.stdout or ""
    if printed:
        note(printed.rstrip())
    # 1 means that some documents were refused: they are listed above, and the others are searchable.
    if done.returncode not in {0, 1}:
        sys.exit(done.returncode)
    return printed


def _question(env: dict[str, str]) -> str | None:
    """A question about something that is in the index: what the first hit of a general one stands under."""
    command = [PENSTOCK, "search", "what is this about", "--limit", "1", "--json"]
    result = json.loads(subprocess.run(command, cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE).stdout)
    hits: list[dict[str, Any]] = result["hits"]
    if not hits:
        return None
    topic = (hits[0]["headings"] or [hits[0]["title"] or Path(hits[0]["uri"]).stem])[-1]
    return f"What does it say about {topic}?"


def what_next(home: Path, source: str) -> None:
    """Commands to go on with."""
    penstock, at = shown(PENSTOCK), f"--home {shlex.quote(shown(home))}"
    note("\nWhat to type next:")
    for command, purpose in {
        f'search "your question" {at}': "ask",
        f"watch {shlex.quote(source)} {at}": "follow every change, until Ctrl-C",
        f"status {at}": "what is indexed, and how fresh",
        f"audit {at}": "prove that index and source agree",
    }.items():
        note(f"$ {penstock} {command}   # {purpose}")


def step(text: str) -> None:
    """Say what comes now."""
    print("\n" + textwrap.fill(text, 100, break_on_hyphens=False, break_long_words=False), flush=True)


def note(text: str) -> None:
    """Print a line below a step."""
    print(text, flush=True)


def shown(path: Path) -> str:
    """The path as a person in the checkout would type it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _name(source: str) -> str:
    """One home for each source, recognisable and unique."""
    readable = re.sub(r"[^\w.-]+", "-", Path(source).name)
    return f"{readable}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"


if __name__ == "__main__":
    try:
        on_your_own(sys.argv[1]) if sys.argv[1:] else on_the_handbook()
    except KeyboardInterrupt:
        sys.exit(130)
