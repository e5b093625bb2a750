"""Filters the logs of other libraries, so that they contain no data of the service's callers."""

from __future__ import annotations

import logging

from governance.gate.errors import describe_exception

logger = logging.getLogger("governance.host")


class _WithoutExceptionText(logging.Filter):
    """Removes the text of exceptions from BentoML's log: it may contain data of a caller."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1] is not None:
            record.msg = f"{record.getMessage()}: {describe_exception(record.exc_info[1])}"
            record.args, record.exc_info, record.exc_text = (), None, None
        return True


def remove_caller_data_from_logs(*, tracebacks: bool = False) -> None:
    """Silence or filter the loggers of uvicorn, Pillow, python-multipart and BentoML that would log data of callers.

    Args:
        tracebacks: for development: let BentoML show the tracebacks of the service's own code, with their texts.
    """
    # uvicorn's access log, which `--debug` turns on, would contain paths and queries as callers sent them.
    logging.getLogger("uvicorn.access").disabled = True
    # At DEBUG these two log what they read: metadata of pictures, and parts of forms.
    for name in ("PIL", "python_multipart"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if tracebacks:
        logger.warning("[logs] tracebacks is on: the console may show data of callers")
        return
    for handler in logging.getLogger("bentoml").handlers:
        handler.addFilter(_WithoutExceptionText())
