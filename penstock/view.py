"""What a person sees: tables, summaries and plain words. Everything of ours that prints for people is here."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

#: Refusals shown before the rest is only counted.
SHOWN_REFUSALS = 20

out = Console(highlight=False, soft_wrap=True, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def failure(message: str) -> None:
    """One line about what went wrong."""
    err.print(f"[bold red]penstock:[/] {escape(message)}")


@contextmanager
def progress(description: str, *, quiet: bool) -> Iterator[Any]:
    """A progress display; yields a function to call with each finished document. Silent where nobody watches."""
    if quiet or not sys.stderr.isatty():
        yield lambda _uri: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(description, total=None)

        def step(uri: str) -> None:
            bar.update(task, advance=1, description=f"{description} {escape(uri.rpartition('/')[2][:40])}")

        yield step


def index_report(report: dict[str, Any]) -> None:
    """The summary of a run."""
    documents, chunks = report["documents"], report["chunks"]
    table = Table(title=None, show_edge=False, pad_edge=False)
    for name in documents:
        table.add_column(name, justify="right")
    table.add_row(*(str(value) for value in documents.values()))
    out.print(table)
    out.print(
        f"{chunks['total']} chunks in the index: {chunks['embedded']} embedded "
        f"({report['characters_embedded']} characters), {chunks['reused']} reused, {chunks['deleted']} deleted; "
        f"{report['seconds']:.1f} s"
    )


def refusals(refused: list[dict[str, Any]]) -> None:
    """Every refusal in one line: where, what, and what to do next."""
    for one in refused[:SHOWN_REFUSALS]:
        detail = f": {one['detail']}" if one.get("detail") else ""
        todo = f" -> {one['todo']}" if one.get("todo") else ""
        err.print(f"[yellow]{escape(one['reason'])}[/] {escape(one['uri'])}{escape(detail)}{escape(todo)}")
    if len(refused) > SHOWN_REFUSALS:
        err.print(f"and {len(refused) - SHOWN_REFUSALS} more: see `penstock status`")


def serving(found: dict[str, Any]) -> None:
    """Where the HTTP service answers."""
    out.print(f"Serving {escape(found['serving'])}; Ctrl-C stops.")


def search_hits(result: dict[str, Any]) -> None:
    """Hits, best first."""
    if not result["hits"]:
        out.print("Nothing found. `penstock status` shows what is indexed.")
    for number, hit in enumerate(result["hits"], 1):
        place = " > ".join(hit["headings"]) or hit["title"] or ""
        page = f", page {hit['page']}" if hit["page"] else ""
        stale = "" if hit["fresh"] else " [bold yellow](stale)[/]"
        anchor = f"#{hit['anchor']}" if hit.get("anchor") else ""
        out.print(f"[bold]{number}. {escape(hit['uri'] + anchor)}[/]{stale}  {hit['score']:.4f}")
        out.print(f"   [dim]{escape(place)}{page}  verified {hit['verified_at'] or 'never'}[/]")
        text, most = (hit["section"], None) if "section" in hit else (hit["text"], 12)
        for line in text.strip().splitlines()[:most]:
            out.print(f"   {escape(line)}")


def status(found: dict[str, Any]) -> None:
    """The state of everything."""
    counts = {name: count for name, count in found["documents"].items() if count}
    line = ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing indexed yet"
    out.print(f"Home {escape(found['home'])}: {line}")
    if found["model"]:
        out.print(f"Model {escape(found['model'])}")
    for source in found["sources"]:
        state = "[green]verified[/]" if source["fresh"] else "[yellow]stale[/]"
        error = f": {escape(source['error'])}" if source["error"] else ""
        when = source["verified_at"] or "never"
        out.print(f"  {state} {escape(source['uri'])} ({escape(source['tenant'])}), last verified {when}{error}")
    if held := found["held"]["count"]:
        out.print(f"Held versions: {held}, the oldest since {found['held']['oldest']}: `penstock quarantine list`")
    if due := found["oldest_due"]:
        out.print(f"Due longest: {escape(due['uri'])}, for {due['seconds']:.0f} s")
    lag = found["lag_seconds"]
    if lag["p50"] is not None:
        out.print(f"Heard to searchable, last day: p50 {lag['p50']} s, p95 {lag['p95']} s")
    refusals(found["refused"])


def history(found: dict[str, Any]) -> None:
    """One document's standing and history."""
    out.print(
        f"[bold]{escape(found['uri'])}[/] ({escape(found['tenant'])}): {found['state']}, {found['chunks']} chunks"
    )
    refusals(found["refused"])
    for line in found["history"]:
        out.print(f"  {line['at']}  {line['event']}  {escape(line['detail'])}")


def findings(found: dict[str, Any]) -> None:
    """What an audit found."""
    verdict = "[green]consistent[/]" if found["consistent"] else "[red]not consistent[/]"
    out.print(f"{verdict}: {found['documents']} documents, {found['chunks']} chunks")
    for name in ("stale", "missing", "orphaned", "duplicate", "held", "repaired"):
        for uri in found[name][:SHOWN_REFUSALS]:
            out.print(f"  {name}: {escape(uri)}")
    if not found["consistent"]:
        out.print("Run `penstock audit --repair` to mend it.")


def plan(found: dict[str, Any]) -> None:
    """What index would do."""
    documents = ", ".join(f"{count} {name}" for name, count in found["documents"].items() if count) or "no documents"
    chunks = ", ".join(f"{count} to {name}" for name, count in found["chunks"].items() if count) or "nothing to embed"
    out.print(f"{documents}; chunks: {chunks}; {found['tokens_to_embed']} tokens to embed. Nothing was changed.")
    refusals(found["refused"])


def forgotten(found: dict[str, Any]) -> None:
    """What was erased, and what could not be."""
    out.print(
        f"Erased {len(found['documents'])} documents, {found['points']} points and {found['vectors']} vectors "
        f"of tenant {escape(found['tenant'])}; read back: nothing is left."
    )
    out.print(f"Out of reach: {'; '.join(found['out_of_reach'])}.")
    out.print("Sources skip them from now on; `penstock index SOURCE --remember URI` takes one back.")


def checks(found: dict[str, Any]) -> None:
    """What doctor found."""
    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    for check in found["checks"]:
        out.print(f"[{colours[check['state']]}]{check['state']:4}[/] {check['part']}: {escape(check['detail'])}")
    for name, value in found["settings"].items():
        out.print(f"[dim]{name}={escape(str(value or ''))}[/]")


def letters(found: dict[str, Any]) -> None:
    """Events that were not understood."""
    for one in found["letters"]:
        out.print(f"{one['at']} {escape(one['id'])}: {escape(one['reason'])}: {escape(one['detail'])}")
    if found["sent"] or found["vanished"]:
        out.print(f"Sent again: {len(found['sent'])}; no longer kept by Kafka: {len(found['vanished'])}.")
    elif found["letters"]:
        out.print("Mend the cause, then run `penstock dead-letters replay`.")
    else:
        out.print("No dead letters.")


def quarantine(found: dict[str, Any]) -> None:
    """Versions that were refused."""
    for one in found["held"]:
        instead = "an older version is served, marked stale" if one["served"] else "nothing of it is served"
        noted = " [dim](discarded)[/]" if one["discarded"] else ""
        out.print(f"[bold]{escape(one['uri'])}[/] [dim]{escape(one['tenant'])}, since {one['since']}[/]{noted}")
        out.print(f"  {escape(one['reason'])}: {escape(one['detail'])}; {instead}")
    if found["held"]:
        out.print(
            "`penstock quarantine show URI` says why; `release URI --why ...` lets one pass; `discard URI` is silence."
        )
    else:
        out.print("Nothing is held.")


def held_version(found: dict[str, Any]) -> None:
    """One refused version, and all that was found in it."""
    quarantine_line = f"{found['reason']}: {found['detail']}"
    out.print(f"[bold]{escape(found['uri'])}[/] [dim]{escape(found['tenant'])}[/]\n  {escape(quarantine_line)}")
    out.print(f"  refused {found['since']} by {escape(found['refused_by'] or 'an older version')}")
    served = f"version {found['served'][:12]}, marked stale" if found["served"] else "nothing"
    out.print(f"  served instead: {served}")
    _findings(found["findings"])
    todo = "`penstock quarantine release URI --why ...` lets it pass" if found["releasable"] else found["todo"]
    out.print(f"What to do: {escape(todo)}.")


def _findings(found: list[dict[str, Any]]) -> None:
    for one in found:
        colour = "red" if one["severity"] == "quarantine" else "yellow"
        out.print(f"  [{colour}]{one['severity']}[/] {escape(one['rule'])} ({one['gate']}): {escape(one['detail'])}")
        for excerpt in one["excerpts"]:
            out.print(f"    [dim]|[/] {escape(excerpt)}")


def rules(found: dict[str, Any]) -> None:
    """The rules in force."""
    table = Table(show_edge=False, pad_edge=False)
    for name in ("gate", "rule", "action", "says"):
        table.add_column(name, overflow="fold")
    for one in found["rules"]:
        given = ", ".join(f"{name}: {value}" for name, value in one["parameters"].items())
        says = f"{escape(one['says'])} [dim]{escape(f'({given})' if given else '')}[/]".strip()
        table.add_row(one["gate"], escape(one["rule"]), one["action"], says)
    out.print(table)


def rules_check(found: dict[str, Any]) -> None:
    """What would be held, and what would be warned of."""
    for one in found["warned"]:
        out.print(f"[bold]{escape(one['uri'])}[/] would pass, with a warning")
        _findings(one["findings"])
    for one in found["held"]:
        out.print(f"[bold]{escape(one['uri'])}[/] would be held: [red]{escape(one['reason'])}[/]")
        if not any(finding["detail"] == one["detail"] for finding in one["findings"]):
            out.print(f"  {escape(one['detail'])}")
        _findings(one["findings"])
        out.print(f"  What to do: {escape(one['todo'])}.")
    counts = f"{found['documents']} documents: {len(found['held'])} would be held, {len(found['warned'])} warned of"
    out.print(f"{counts}, by {escape(found['rules'])}. Nothing was changed.")


def released(found: dict[str, Any]) -> None:
    """A version that may pass now."""
    out.print(f"{escape(found['uri'])} may pass, says {escape(found['who'])}. It is due: the next run indexes it.")


def discarded(found: dict[str, Any]) -> None:
    """A version nobody wants to hear of."""
    out.print(f"{escape(found['uri'])} is reported no more until it changes. What is served of it stays, marked stale.")


def report(found: dict[str, Any]) -> None:
    """Where the report is, and what it is about."""
    asked = f"{len(found['rules'])} rules were asked" if found["rules"] else "no rule was asked"
    out.print(f"{asked}; {found['held']} versions are held, {found['warned']} documents were warned of.")
    out.print(escape(found["report"]))
