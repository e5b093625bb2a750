"""Errors of the host that BentoML's command line knows."""

from __future__ import annotations

from bentoml.exceptions import BentoMLException

from governance.errors import ConfigurationError


class WrongUseError(ConfigurationError, BentoMLException):
    """The service's own code uses this package wrongly.

    BentoML's command line ends with the sentence of such an error, without a traceback, if it is raised at import.
    """
