"""Policy: lets Cedar decide each request, refuses what is not permitted, and verifies that obligations are met."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from governance.access.callers.caller import Caller
from governance.access.grants import GrantFolder, GrantRules
from governance.access.policies.model_card import ModelFacts, read_card
from governance.access.policies.policy_files import PolicyFiles
from governance.access.policies.policy_set import PolicySet
from governance.access.policies.route_check import DecidedRoute, verify_routes
from governance.access.policies.verdict import Decision, PolicyRequest, Verdict
from governance.contract.events import Event
from governance.contract.exchange import Exchange, Reply
from governance.contract.facts import Admitted, is_admitted
from governance.contract.measurements import Measurement, expiries
from governance.contract.models import ModelLoad
from governance.contract.plugin import Plugin, Proceed
from governance.contract.routes import READING, Route
from governance.errors import (
    BadRequestError,
    ConfigurationError,
    ForbiddenError,
    GovernanceError,
    NotFoundError,
    PurposeError,
)
from governance.keys import load_verifying_key
from governance.plugins.watch import Watch
from governance.settings import GrantSettings, PolicySettings, Settings

PURPOSE, OUTPUT = b"governance-purpose", b"governance-output"
ANONYMIZE = "anonymize"
LOOK_SECONDS = 0.5
OTHER_PURPOSE = "other"
_PURPOSE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_NOTHING_KNOWN = ModelFacts()

logger = logging.getLogger("governance.policy")


class PolicyPlugin(Plugin):
    """Puts the `Decision` on the request, before a refusal too, so that the audit log can record the reason."""

    name = "policy"
    requires = frozenset({Caller})
    uses = frozenset({Admitted})
    provides = frozenset({Decision})

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        if settings.policy is None:
            raise ConfigurationError("the plugin 'policy' needs a [policy] section: policies and cedar_schema")
        self._settings, self._clock = settings, clock
        self._files = policy_files(settings.policy)
        shadow = settings.policy.shadow
        self._shadow_files = None if shadow is None else policy_files(settings.policy, shadow)
        self._service = settings.service.name
        self._groups = {name: model.groups for name, model in settings.models.items()}
        self._models: dict[str, ModelFacts] = {}
        self._grants_seen = False

    async def open(self) -> None:
        """Load policies and grants, and begin to check them for changes."""
        self._seen = self._fingerprints()
        self._policies, self._shadow = self._load()
        self._grants = self._grant_folder()
        if self._grants is not None:
            await self._check_grants(self._grants)
        self._watches = [Watch("policies", LOOK_SECONDS, self._check_policies)]
        if self._grants is not None:
            self._watches.append(Watch("grants", LOOK_SECONDS, partial(self._check_grants, self._grants)))

    async def close(self) -> None:
        """Stop checking for changes."""
        for watch in self._watches:
            await watch.stop()

    def model_loaded(self, load: ModelLoad) -> None:
        """Use the attributes and purposes of the model's signed card in decisions."""
        self._models[load.model] = read_card(load.card)
        self._groups.setdefault(load.model, ())

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        """Decide a request, and proceed if it is permitted.

        Raises:
            ForbiddenError: if no policy permits it, or the answer cannot be limited as the policy demands.
            NotFoundError: if the model does not exist.
            PurposeError: if the model's card needs a purpose, or does not list the given one.
        """
        if is_admitted(exchange):
            return await proceed(exchange)
        request = self._request(exchange)
        decision = self._decide(exchange, request)
        exchange.put(decision)
        if not decision.verdict.allowed:
            if decision.verdict.errors:
                logger.error(
                    "a request was denied because policies raised errors: %s", "; ".join(decision.verdict.errors)
                )
            raise ForbiddenError("the policy does not permit this")
        self._verify_purpose(exchange, request.purpose)
        reply = await proceed(exchange)
        _verify_fulfilled(exchange, decision)
        return reply

    def measurements(self) -> Iterable[Measurement]:
        """Return when grants end, once there has been one."""
        ends = () if self._grants is None else self._grants.ends()
        if ends:
            self._grants_seen = True
        if self._grants_seen:
            yield from expiries("grant", ends, self._clock())

    def _decide(self, exchange: Exchange, request: PolicyRequest) -> Decision:
        policies = self._policies
        verdict, grant = policies.decide(request), None
        if not verdict.allowed and self._grants is not None:
            grant = self._grants.find(request.caller, request.action, exchange.model)
            if grant is not None:
                request = request._replace(emergency=grant.reason)
                verdict = policies.decide(request)
        return Decision(
            verdict,
            partial(_review, policies, request),
            None if self._shadow is None else self._shadow.decide(request),
            grant.id if grant is not None and verdict.allowed else None,
            self._known_purpose(request.purpose),
        )

    def _known_purpose(self, purpose: str | None) -> str | None:
        """Return a known purpose, or `other`: a caller can write anything there, and the log keeps it."""
        if (
            purpose is None
            or purpose in self._policies.words
            or any(purpose in m.purposes for m in self._models.values())
        ):
            return purpose
        return OTHER_PURPOSE

    def _request(self, exchange: Exchange) -> PolicyRequest:
        caller, model = exchange.require(Caller), exchange.model
        groups: tuple[str, ...] = ()
        if model is not None:
            if model not in self._groups:
                raise NotFoundError("no such model")
            groups = self._groups[model]
        return PolicyRequest(
            caller=caller.id,
            roles=caller.roles,
            action=exchange.route.action,
            resource=("Service", self._service) if model is None else ("Model", model),
            groups=groups,
            route=exchange.route.template,
            purpose=_purpose(exchange),
            attributes=caller.attributes,
            model_attributes=self._models.get(model, _NOTHING_KNOWN).attributes if model is not None else (),
            client_ip=exchange.client_ip or None,
            minute=int(self._clock() // 60),
        )

    def _verify_purpose(self, exchange: Exchange, named: str | None) -> None:
        if exchange.model is None or exchange.route.action in READING:
            return
        facts = self._models.get(exchange.model, _NOTHING_KNOWN)
        if named is None and facts.purpose_required:
            raise PurposeError("this model needs a purpose: name it in the header field Governance-Purpose")
        if named is not None and facts.purposes and named not in facts.purposes:
            raise PurposeError("the model's card does not list this purpose")

    def _load(self) -> tuple[PolicySet, PolicySet | None]:
        loaded = self._files.load()
        shadow = None if self._shadow_files is None else self._shadow_files.load()
        for policies in filter(None, (loaded, shadow)):
            self._verify_profiles(policies)
            routes = [route for route in self.chain.routes if not route.public]
            verify_routes(policies, self._service, map(self._decided, routes))
        return loaded, shadow

    def _decided(self, route: Route) -> DecidedRoute:
        chosen = {route.model, *route.models} - {None}
        models = self._groups if "{model}" in route.template else sorted(map(str, chosen))
        return DecidedRoute(route.template, route.action, tuple(models))

    def _verify_profiles(self, policies: PolicySet) -> None:
        """Refuse policies with an obligation that no plugin would carry out."""
        known = self._settings.privacy.profiles
        wanted = {profile for policy in policies.policies.values() for profile in policy.obligations.anonymize}
        if wanted - set(known):
            raise ConfigurationError(
                f"policies name profiles of anonymization that [privacy] does not have: {sorted(wanted - set(known))}"
            )
        if wanted and ANONYMIZE not in self.chain.enforced_behind(self):
            raise ConfigurationError(
                "policies have the obligation 'anonymize', and no plugin behind 'policy' enforces it: "
                "put 'privacy' after 'policy'"
            )

    def _grant_folder(self) -> GrantFolder | None:
        settings = self._settings.break_glass
        if settings is None:
            return None
        actions = {"infer", *(route.action for route in self._settings.routes)}
        kinds = ("Model", "Service")
        emergency = frozenset({"emergency"})
        if not any(self._policies.declared("context", emergency, action, kind) for action in actions for kind in kinds):
            raise ConfigurationError("[break_glass] is set, and the schema has no `emergency?: String` in its context")
        return GrantFolder(settings.directory, grant_rules(settings, self._service), self._clock)

    def _fingerprints(self) -> object:
        shadow = None if self._shadow_files is None else self._shadow_files.fingerprint()
        return self._files.fingerprint(), shadow

    async def _check_policies(self) -> None:
        seen = self._fingerprints()
        if seen != self._seen:
            self._seen = seen
            await self._reload()

    async def _reload(self) -> None:
        """Use changed policies, or keep the old ones if the change is invalid, and announce which."""
        try:
            self._policies, self._shadow = await asyncio.to_thread(self._load)
        except GovernanceError as error:
            logger.error(
                "changed policies are invalid; the previous ones stay in force (%s): %s", self._policies.digest, error
            )
            await self.chain.announce(
                Event("policy-reload", "refused", self._policies.digest, "the change is not valid")
            )
            return
        logger.warning("changed policies are in force: %s", self._policies.digest)
        await self.chain.announce(Event("policy-reload", "done", self._policies.digest, ""))

    async def _check_grants(self, grants: GrantFolder) -> None:
        came, went, refused = grants.reload()
        for grant in came:
            logger.warning("a break-glass grant is in force: grant %s, reason %s", grant.id, grant.reason)
            await self.chain.announce(Event("break-glass", "done", grant.id, grant.reason))
        for grant in went:
            await self.chain.announce(Event("break-glass-end", "done", grant.id, grant.reason))
        for name in refused:
            await self.chain.announce(Event("break-glass", "refused", name[:128], "it cannot be verified"))


def policy_files(settings: PolicySettings, policies: Path | None = None) -> PolicyFiles:
    """Return the files of the settings' policies, or of candidate policies with the same schema and entities."""
    return PolicyFiles(policies or settings.policies, settings.cedar_schema, settings.entities, settings.links)


def grant_rules(settings: GrantSettings, service: str) -> GrantRules:
    """Return which grants are valid for a service.

    Raises:
        ConfigurationError: if a key cannot be read, or there are too few of them.
    """
    trusted = tuple(load_verifying_key(path) for path in settings.trusted_keys)
    if len({key.fingerprint for key in trusted}) < settings.threshold:
        raise ConfigurationError(f"[break_glass] has fewer keys than its threshold of {settings.threshold}")
    return GrantRules(service, trusted, settings.threshold, frozenset(settings.reasons), settings.max_minutes * 60)


def _review(policies: PolicySet, request: PolicyRequest, classes: frozenset[str]) -> Verdict:
    return policies.decide(request._replace(data_classes=tuple(sorted(classes))))


def _verify_fulfilled(exchange: Exchange, decision: Decision) -> None:
    output = decision.verdict.obligations.output
    if output is None or exchange.route.action in READING:
        return
    if not decision.fulfilled:
        raise ForbiddenError("the policy limits the answer, and the answer of this route cannot be limited")
    exchange.reply_headers.append((OUTPUT, str(output).encode()))


def _purpose(exchange: Exchange) -> str | None:
    purpose = exchange.header(PURPOSE)
    if purpose is None and not exchange.has_header(PURPOSE):
        return None
    if purpose is None or not _PURPOSE.fullmatch(purpose):
        raise BadRequestError("Governance-Purpose must be one word of up to 64 lower-case letters, digits and . _ -")
    return purpose
