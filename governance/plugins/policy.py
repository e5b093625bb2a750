"""Policy: asks Cedar whether the caller may, and refuses where it may not."""

from __future__ import annotations

import logging
import re

from governance.access.caller import Caller
from governance.access.policy import PolicySet, Request, Verdict
from governance.errors import BadRequestError, ConfigurationError, ForbiddenError, NotFoundError
from governance.exchange import Exchange, Proceed, Reply
from governance.settings import Settings

PURPOSE = b"governance-purpose"
_PURPOSE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

logger = logging.getLogger("governance.policy")


class PolicyPlugin:
    """Gives the Verdict on the request; it is given before a refusal too, so that the audit log knows the reason."""

    name = "policy"
    needs: frozenset[type] = frozenset({Caller})
    gives: frozenset[type] = frozenset({Verdict})

    def __init__(self, settings: Settings) -> None:
        if settings.policy is None:
            raise ConfigurationError("the plugin 'policy' needs a [policy] section: policies and cedar_schema")
        self._files = settings.policy
        self._service = settings.service.name
        self._groups = {name: model.groups for name, model in settings.models.items()}

    async def open(self) -> None:
        files = self._files
        self._policies = PolicySet.from_files(files.policies, files.cedar_schema, files.entities)

    async def close(self) -> None:
        """Nothing is held open."""

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        if exchange.route.public:
            return await proceed(exchange)
        verdict = self._policies.decide(self._request(exchange))
        exchange.give(verdict)
        if not verdict.allowed:
            if verdict.errors:
                logger.error("a decision was denied because policies erred: %s", "; ".join(verdict.errors))
            raise ForbiddenError("the policy does not permit this")
        return await proceed(exchange)

    def _request(self, exchange: Exchange) -> Request:
        caller, model = exchange.fact(Caller), exchange.model
        groups: tuple[str, ...] = ()
        if model is not None:
            if model not in self._groups:
                raise NotFoundError("no such model")
            groups = self._groups[model]
        return Request(
            caller=caller.id,
            roles=caller.roles,
            action=exchange.route.action,
            resource=("Service", self._service) if model is None else ("Model", model),
            groups=groups,
            route=exchange.route.template,
            purpose=_purpose(exchange),
        )


def _purpose(exchange: Exchange) -> str | None:
    values = [value for name, value in exchange.headers if name == PURPOSE]
    if not values:
        return None
    purpose = values[0].decode("latin-1")
    if len(values) > 1 or not _PURPOSE.fullmatch(purpose):
        raise BadRequestError("Governance-Purpose must be one word of up to 64 lower-case letters, digits and . _ -")
    return purpose
