"""Logs: structlog events `noun.verbed` with key-value context, on stderr; as text, or as JSON for machines."""

import logging
import sys

import structlog


def configure_logging(*, verbose: bool, as_json: bool) -> None:
    """Set up logging for this process; warnings and worse unless `verbose`."""
    level = logging.INFO if verbose else logging.WARNING
    render = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Whatever stderr is when a line is written: it may have been redirected since.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
