"""Logging: constant event names with fields, one line an event, to stderr."""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import Processor


def configure_logging(level: str, log_format: str | None) -> None:
    """Set up structlog, and pass what libraries log through it.

    Args:
        level: one of `fedsvc.config.LOG_LEVELS`.
        log_format: console or json; None: console at a terminal, else json.
    """
    chosen = log_format or ("console" if sys.stderr.isatty() else "json")
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = (
        # Not those of rich: they are long, and show the values of variables, credentials among them.
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if chosen == "console"
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(sort_keys=False)]
    )
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Libraries speak up for trouble only; what they do in detail is nobody's daily reading.
    for name in ("asyncio", "aiohttp", "alembic", "grpc", "sqlalchemy"):
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))


def logger(name: str) -> Any:
    """The logger of a part of the service."""
    return structlog.get_logger(name)
