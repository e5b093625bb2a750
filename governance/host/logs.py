"""Filters the logs of other libraries, so that they contain no data of the service's callers."""

from __future__ import annotations

import logging
import re

from governance.contract.routes import RouteTable
from governance.gate.errors import describe_exception

logger = logging.getLogger("governance.host")
# The request in a line of BentoML's access log (bentoml/_internal/server/http/access.py).
_REQUEST = re.compile(r"scheme=\w+,method=([A-Z]+),path=(.*?)(?:,type=.*)?$", re.DOTALL)


class _WithoutExceptionText(logging.Filter):
    """Removes the text of exceptions from BentoML's log: it may contain data of a caller."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1] is not None:
            record.msg = f"{record.getMessage()}: {describe_exception(record.exc_info[1])}"
            record.args, record.exc_info, record.exc_text = (), None, None
        return True


class _RoutesForPaths(logging.Filter):
    """Replaces path and content type, which come from the caller, by the route in BentoML's access log."""

    def __init__(self, routes: RouteTable) -> None:
        super().__init__()
        self._routes = routes

    def filter(self, record: logging.LogRecord) -> bool:
        args = record.args
        request = _REQUEST.match(str(args[1])) if isinstance(args, tuple) and len(args) > 1 else None
        if request is None or not isinstance(args, tuple):
            # Another form of line than that of the BentoML that we know may contain anything.
            return False
        method, path = request.groups()
        route = self._routes.match("GET" if method == "HEAD" else method, path).route
        record.args = (args[0], f"method={method},route={route.template}", *args[2:])
        return True


def remove_paths_from_access_log(routes: RouteTable) -> None:
    """Let BentoML's access log name routes, since the variables of a path may be personal data.

    Args:
        routes: the routes of the service.
    """
    access = logging.getLogger("bentoml.access")
    for known in [known for known in access.filters if isinstance(known, _RoutesForPaths)]:
        access.removeFilter(known)
    access.addFilter(_RoutesForPaths(routes))


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
