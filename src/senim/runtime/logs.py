"""Logs: one JSON object a line in production, readable lines in the sandbox. What is logged names acts, never people.

Whatever a record carries under a name that tells of a person or a secret is masked, so that a careless call site does
not publish it.
"""

import logging
import logging.config
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

MASK: Final = "***"
PRIVATE_NAMES: Final = frozenset(
    {"password", "secret", "token", "authorization", "cookie", "session", "signature", "key", "iin", "iban", "phone"}
    | {"email", "full_name", "first_name", "last_name", "debit_account", "credit_account", "body", "payload"}
)


def configure(json_lines: bool, level: str = "info") -> None:
    """Send the logs of structlog and of the standard library to standard error in one form."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        mask_private,
    ]
    logging.config.dictConfig(_standard_library(shared, json_lines, level))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def configure_django(settings: dict[str, Any]) -> None:
    """Django's ``LOGGING_CONFIG``: ``LOGGING`` holds the arguments of :func:`configure`."""
    configure(bool(settings["json_lines"]), str(settings["level"]))


def mask_private(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace values whose name says that they are personal or secret."""
    for name in event:
        if name in PRIVATE_NAMES:
            event[name] = MASK
    return event


def _standard_library(shared: list[Any], json_lines: bool, level: str) -> dict[str, Any]:
    if json_lines:
        ending: list[Any] = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    else:
        ending = [
            # Plain tracebacks: the rich ones print every local variable, people's data and secrets among them.
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*shared, structlog.stdlib.ExtraAdder(allow=()), mask_private],
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"senim": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "senim", "stream": "ext://sys.stderr"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        "loggers": {
            "django.server": {"handlers": [], "propagate": True},
            "django.utils.autoreload": {"level": "WARNING"},
            "_granian": {"handlers": [], "propagate": True},
            "procrastinate": {"level": "WARNING"},  # each look for work would be a line
            "django.security.DisallowedHost": {"handlers": [], "propagate": False},  # strangers' guesses fill no disk
            "uvicorn": {"handlers": [], "propagate": True},
        },
    }
