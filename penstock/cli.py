"""The command line. `--json` prints one JSON object to stdout and nothing else there.

Exit status: 0 all good; 1 some documents were refused, held or parked, or an audit found differences; 2 wrong usage, or
a part or source is out of reach. Each command imports what it needs when it runs, so that `status` answers at once.
"""

import json
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from schemas.errors import PenstockError
from schemas.identity import DEFAULT_TENANT

EXAMPLES = """
\b
Examples:
  penstock index ./docs                    make ./docs searchable, or bring it up to date
  penstock search "how long is parental leave?"
  penstock watch ./docs s3://bucket/prefix follow changes until Ctrl-C
  penstock status                          what is fresh, what is not, and why
  penstock audit                           compare sources and index, chunk by chunk
"""


class _Context:
    """Options that stand before the command, and how to answer."""

    def __init__(self, home: Path | None, *, as_json: bool, verbose: bool) -> None:
        self.home, self.json, self.verbose = home, as_json, verbose

    def settings(self, *, logs: bool = True) -> Any:
        """The settings, and logging set up as they say; without `logs` a command need not load what writes them."""
        from infra.settings import load_settings

        settings = load_settings(home=self.home)
        if logs:
            from infra.log import configure_logging

            configure_logging(verbose=self.verbose, as_json=settings.log == "json")
        return settings

    def show(self, found: dict[str, Any], view: str) -> None:
        """Print an answer: as JSON, or by a function of penstock.view."""
        if self.json:
            click.echo(json.dumps(found, ensure_ascii=False))
            return
        from penstock import view as views

        getattr(views, view)(found)


_pass = click.pass_obj
_tenant = click.option("--tenant", default=DEFAULT_TENANT, show_default=True, help="Whose documents.")


def _json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    def remember(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
        context.find_object(_Context).json |= value  # type: ignore[union-attr]

    def remember_home(context: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
        if value is not None:
            context.find_object(_Context).home = value  # type: ignore[union-attr]

    as_json = click.option(
        "--json", is_flag=True, expose_value=False, callback=remember, help="One JSON object on stdout."
    )
    home = click.option(
        "--home", type=click.Path(path_type=Path), expose_value=False, callback=remember_home, help="Where state lives."
    )
    return as_json(home(command))


@click.group(
    invoke_without_command=True,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--home", type=click.Path(path_type=Path), help="Where state lives [PENSTOCK_HOME, else .penstock].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
@click.option("-v", "--verbose", is_flag=True, help="Log every step to stderr.")
@click.version_option(package_name="penstock")
@click.pass_context
def cli(context: click.Context, home: Path | None, as_json: bool, verbose: bool) -> None:
    """Keep a vector index true to its sources, and say so when it is not.

    SOURCE is a folder, a file, or s3://bucket/prefix.
    """
    context.obj = _Context(home, as_json=as_json, verbose=verbose)
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
        return


@cli.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@_tenant
@click.option("--allow-mass-delete", is_flag=True, help="Believe removals however many there are.")
@click.option("--remember", multiple=True, metavar="URI", help="Take back a document that was forgotten.")
@_json_option
@_pass
def index(
    context: _Context,
    sources: tuple[str, ...],
    tenant: str,
    allow_mass_delete: bool,
    remember: tuple[str, ...],
) -> int:
    """Bring the index in line with these sources, then stop."""
    from penstock.indexing import index as run_index

    return _indexing(
        context, lambda shop: run_index(shop, sources, tenant=tenant, insist=allow_mass_delete, remember=remember)
    )


@cli.command()
@click.argument("source")
@_tenant
@click.option("--force", is_flag=True, help="Make everything anew, not only what changed.")
@_json_option
@_pass
def reindex(context: _Context, source: str, tenant: str, force: bool) -> int:
    """Make again what a new version or other settings changed."""
    from penstock.indexing import reindex as run_reindex

    return _indexing(context, lambda shop: run_reindex(shop, source, tenant=tenant, force=force))


def _indexing(context: _Context, work: Callable[[Any], Any]) -> int:
    """Run under the home's lock, answering others on its socket meanwhile."""
    from infra.home_socket import serving
    from penstock import view
    from penstock.answers import answering
    from penstock.workshop import workshop

    with workshop(context.settings()) as shop, serving(shop.home.socket, answering(shop)):
        with view.progress("indexing", quiet=context.json) as step:
            shop.pipeline.progress = step
            report = work(shop)
        context.show(report.to_json(), "index_report")
        if not context.json:
            view.refusals(report.unreachable + report.refused)
        return int(report.exit_status)


@cli.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@_tenant
@click.option("--allow-mass-delete", is_flag=True, help="Believe removals however many there are.")
@_json_option
@_pass
def watch(context: _Context, sources: tuple[str, ...], tenant: str, allow_mass_delete: bool) -> int:
    """Index, then follow changes until interrupted (Ctrl-C)."""
    from infra.home_socket import serving
    from penstock import view
    from penstock.answers import answering
    from penstock.indexing import index as run_index
    from penstock.indexing import register
    from penstock.watch import follow
    from penstock.workshop import workshop

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    settings = context.settings()
    if settings.kafka_bootstrap_servers:
        from penstock.compose import open_publisher
        from penstock.watching import watch_scaled

        publisher = open_publisher(settings)
        assert publisher is not None
        try:
            watch_scaled(
                settings, sources, publisher, tenant=tenant, stop=stop, ready=lambda: view.out.print("Watching.")
            )
        finally:
            publisher.close()
        return 0
    told: list[Any] = []

    def news(report: Any) -> list[Any]:
        """The refusals that were not told before."""
        before, told[:] = list(told), [(one["uri"], one["reason"]) for one in report.unreachable + report.refused]
        return [one for one in report.unreachable + report.refused if (one["uri"], one["reason"]) not in before]

    def say(report: Any) -> None:
        found, new = report.to_json(), news(report)
        changed = {name: n for name, n in found["documents"].items() if n and name not in ("seen", "unchanged", "held")}
        if context.json:
            return
        if changed:
            view.out.print(", ".join(f"{n} {name}" for name, n in changed.items()))
        view.refusals(new)

    with workshop(settings) as shop, serving(shop.home.socket, answering(shop)):
        with view.progress("indexing", quiet=context.json) as step:
            shop.pipeline.progress = step
            report = run_index(shop, sources, tenant=tenant, insist=allow_mass_delete)
        shop.pipeline.progress = lambda _uri: None
        if not context.json:
            view.index_report(report.to_json())
            view.refusals(news(report))
            view.out.print("Watching; Ctrl-C stops.")
        found, _ = register(shop, sources, tenant)
        if found:
            follow(shop, found, stop=stop, on_round=say)
        if context.json:
            context.show(report.to_json(), "index_report")
        return 0 if found else 2


@cli.command()
@_json_option
@_pass
def serve(context: _Context) -> int:
    """Take in signed webhooks and pushed content over HTTP, until interrupted."""
    from penstock import view
    from penstock.compose import open_publisher
    from penstock.serve import serve_embedded, serve_scaled

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings = context.settings()

    def ready(address: str) -> None:
        context.show({"serving": address}, "serving")

    publisher = open_publisher(settings)
    if publisher is None:
        serve_embedded(settings, stop=stop, ready=ready, on_round=lambda report: view.refusals(report.unreachable))
    else:
        serve_scaled(settings, publisher, stop=stop, ready=ready)
    return 0


@cli.command()
@click.argument("query")
@click.option("--limit", default=5, show_default=True, type=click.IntRange(1, 1000), help="Most hits.")
@click.option("--context", "around", is_flag=True, help="Show the section around each hit, and an anchor to it.")
@_tenant
@_json_option
@_pass
def search(context: _Context, query: str, limit: int, around: bool, tenant: str) -> int:
    """Search what is indexed: by meaning and by words, fused; best first."""
    from penstock.answers import answer_search
    from penstock.search import Query

    context.show(answer_search(context.settings(), Query(query, limit, tenant, context=around)), "search_hits")
    return 0


@cli.command()
@click.argument("uri", required=False)
@_tenant
@_json_option
@_pass
def status(context: _Context, uri: str | None, tenant: str) -> int:
    """Show what is fresh and what is not, or one document's history."""
    import time

    from infra.source_names import document_uri
    from penstock import status as reports
    from penstock.compose import existing_ledger
    from schemas.errors import UsageError

    settings = context.settings(logs=False)
    ledger = existing_ledger(settings)
    if uri is None:
        context.show(reports.status(ledger, home=str(settings.folder), now=time.time()), "status")
        return 0
    found = reports.history(ledger, document_uri(uri), tenant=tenant, now=time.time())
    if found is None:
        raise UsageError(f"{document_uri(uri)} is not known to tenant {tenant}", "check the URI and --tenant")
    context.show(found, "history")
    return 0


@cli.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE...]")
@_tenant
@click.option("--repair", is_flag=True, help="Mend what differs.")
@_json_option
@_pass
def audit(context: _Context, sources: tuple[str, ...], tenant: str, repair: bool) -> int:
    """Compare source, ledger and index, chunk by chunk; exit 1 if they differ."""
    from infra.home_socket import serving
    from penstock.answers import answer_audit, answering, audit_and_repair
    from penstock.workshop import workshop

    settings = context.settings()
    if repair:
        with workshop(settings) as shop, serving(shop.home.socket, answering(shop)):
            found = audit_and_repair(shop, sources, tenant)
    else:
        found = answer_audit(settings, sources, tenant)
    context.show(found, "findings")
    return 0 if found["consistent"] else 1


@cli.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@_tenant
@_json_option
@_pass
def plan(context: _Context, sources: tuple[str, ...], tenant: str) -> int:
    """Say what index would do: documents, chunks, tokens to embed. Changes nothing."""
    from penstock.plan import Planner

    planner = Planner(context.settings())
    context.show(planner.plan(sources, tenant), "plan")
    return 2 if planner.unreachable else 1 if planner.refused else 0


@cli.command()
@click.argument("uri", required=False)
@click.option("--tenant", help="Without URI: everything of this tenant; with URI: whose document.")
@_json_option
@_pass
def forget(context: _Context, uri: str | None, tenant: str | None) -> int:
    """Erase a document, or a tenant, everywhere, and prove it."""
    from infra.home_socket import serving
    from infra.source_names import document_uri
    from penstock.answers import answering
    from penstock.forget import forget as erase
    from penstock.workshop import workshop
    from schemas.errors import UsageError

    if uri is None and tenant is None:
        raise UsageError("nothing to forget", "name a URI, or --tenant T for everything of a tenant")
    with workshop(context.settings()) as shop, serving(shop.home.socket, answering(shop)):
        target = None if uri is None else document_uri(uri)
        found = erase(shop, uri=target, tenant=tenant or DEFAULT_TENANT)
    context.show(found, "forgotten")
    return 0


def _running(context: _Context, command: str) -> int:
    from penstock import processes

    return int(getattr(processes, command)(context.settings()))


@cli.command()
@_json_option
@_pass
def intake(context: _Context) -> int:
    """Take Kafka's events into the ledger and wake workers (a server process)."""
    return _running(context, "intake")


@cli.command()
@_json_option
@_pass
def worker(context: _Context) -> int:
    """Work on what is due (a server process)."""
    return _running(context, "worker")


@cli.command()
@_json_option
@_pass
def beat(context: _Context) -> int:
    """Fire schedules: reconcile, reindex, audit (a server process)."""
    return _running(context, "beat")


@cli.command()
@_json_option
@_pass
def relay(context: _Context) -> int:
    """Carry bucket notifications from SQS to Kafka (a server process)."""
    return _running(context, "relay")


@cli.command("dead-letters")
@click.argument("action", type=click.Choice(["list", "replay"]))
@_json_option
@_pass
def dead_letters(context: _Context, action: str) -> int:
    """Show events that were not understood, or send them again."""
    from penstock import letters

    found = getattr(letters, f"{action}_letters")(context.settings())
    context.show(found, "letters")
    return 1 if found["vanished"] else 0


def _who(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str:
    if value:
        return value
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


@cli.command()
@click.argument("action", type=click.Choice(["list", "show", "release", "discard"]))
@click.argument("uri", required=False)
@_tenant
@click.option("--why", default="", help="release: why it may pass; it is recorded.")
@click.option("--who", callback=_who, help="release, discard: who decides [the user of this process].")
@_json_option
@_pass
def quarantine(context: _Context, action: str, uri: str | None, tenant: str, why: str, who: str) -> int:
    """Show versions that were refused, let one pass, or hear no more of it."""
    from infra.source_names import document_uri
    from penstock import quarantine as held
    from schemas.errors import UsageError

    settings = context.settings(logs=False)
    if action == "list":
        found = held.list_held(settings)
        context.show(found, "quarantine")
        return 1 if any(not one["discarded"] for one in found["held"]) else 0
    if uri is None:
        raise UsageError(f"`penstock quarantine {action}` needs a URI", "`penstock quarantine list` shows them")
    target = document_uri(uri)
    if action == "show":
        context.show(held.show(settings, target, tenant), "held_version")
    elif action == "discard":
        context.show(held.discard(settings, target, tenant, who=who), "discarded")
    else:
        context.show(held.release(settings, target, tenant, who=who, why=why), "released")
    return 0


@cli.command()
@click.argument("action", type=click.Choice(["list", "check"]))
@click.argument("source", required=False)
@_tenant
@_json_option
@_pass
def rules(context: _Context, action: str, source: str | None, tenant: str) -> int:
    """Show the rules in force (for SOURCE), or say what they would hold of it and why; changes nothing."""
    from penstock import rules as asked
    from penstock import view
    from schemas.errors import UsageError

    settings = context.settings()
    if action == "list":
        context.show(asked.list_rules(settings, tenant, source), "rules")
        return 0
    if source is None:
        raise UsageError("`penstock rules check` needs a SOURCE", "name a folder, a file or s3://bucket/prefix")
    with view.progress("checking", quiet=context.json) as step:
        found = asked.Check(settings, progress=step).check(source, tenant)
    context.show(found, "rules_check")
    return 1 if found["held"] else 0


@cli.command()
@click.option("--open", "open_it", is_flag=True, help="Open it in a browser.")
@click.option("--data-docs", is_flag=True, help="Add Great Expectations' pages about the chunks settled last.")
@_json_option
@_pass
def report(context: _Context, open_it: bool, data_docs: bool) -> int:
    """Write a page that shows how the rules fared: pass rates, offenders, and where their chunks are."""
    from penstock.report import write_report

    found = write_report(context.settings(logs=False), data_docs=data_docs)
    context.show(found, "report")
    if open_it:
        import webbrowser

        if not webbrowser.open(Path(found["report"]).as_uri()):
            click.echo("No browser was found: open the file yourself.", err=True)
    return 0


@cli.command()
@click.option("--fix", is_flag=True, help="Mend what can be mended: stale claims, the recorded fingerprint.")
@_json_option
@_pass
def doctor(context: _Context, fix: bool) -> int:
    """Check that every configured part can be reached and fits, and say what to do."""
    from penstock import doctor as checks
    from penstock.workshop import workshop

    settings = context.settings()
    fixed: list[str] = []
    if fix:
        with workshop(settings) as shop:
            fixed = checks.fix(settings, shop)
    found = checks.doctor(settings) | {"fixed": fixed}
    context.show(found, "checks")
    return 0 if found["healthy"] else 2


def run(arguments: list[str]) -> int:
    """Run one command; returns its exit status."""
    try:
        status_ = cli.main(arguments, prog_name="penstock", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted. What is done is kept; run the same command to go on.", err=True)
        return 130
    except PenstockError as error:
        return _failed(arguments, str(error))
    except Exception as error:
        if "-v" in arguments or "--verbose" in arguments:
            raise
        kind = type(error).__name__
        return _failed(arguments, f"unexpected: {kind}: {error} (a bug of ours: -v shows where; running again is safe)")
    return status_ if isinstance(status_, int) else 0


def _failed(arguments: list[str], message: str) -> int:
    from infra.settings import without_passwords

    message = without_passwords(message)
    if "--json" in arguments:
        click.echo(json.dumps({"error": message}, ensure_ascii=False))
    from penstock.view import failure

    failure(message)
    return 2


def main() -> None:
    """Run the command line and exit with its status."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
