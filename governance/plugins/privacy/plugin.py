"""Privacy: changes declared fields, free text, tensors and images before a model, the log or a metric gets them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from governance.access.callers.caller import Caller
from governance.access.policies.verdict import Decision
from governance.contract.exchange import Exchange, Reply
from governance.contract.models import ModelLoad
from governance.contract.plugin import Plugin, Proceed
from governance.contract.routes import Route
from governance.errors import ApplicationError, ApplicationRefusedError
from governance.keys import open_secret
from governance.plugins.privacy.plans import Plans
from governance.plugins.privacy.replies import ask_for_whole_text, change_reply, change_sentence
from governance.plugins.privacy.requests import change_request, pass_unchanged
from governance.plugins.privacy.reveal import REVEAL, RevealServer
from governance.plugins.privacy.scope import scope_of
from governance.privacy.change.context import Context
from governance.privacy.change.scope import PseudonymScope
from governance.privacy.redactions import Redactions, ReplyFindings
from governance.privacy.request.card_rules import CardRules
from governance.privacy.request.plan import RequestPlan
from governance.settings import Settings


class PrivacyPlugin(Plugin):
    """Puts `Redactions` on routes with declared personal data, and `ReplyFindings` where answers are changed.

    On all other routes the body is not read. A body that cannot be searched is refused.
    """

    name = "privacy"
    uses = frozenset({Caller, Decision})
    provides = frozenset({Redactions, ReplyFindings})
    # The section of a model's card, and the obligation of a policy.
    enforces = frozenset({"privacy", "anonymize"})

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        """Check the rules of [privacy]; `clock` returns Unix seconds."""
        self._privacy, self._clock = settings.privacy, clock
        self._scope = PseudonymScope.parse(settings.privacy.scope)
        self._plans = Plans(settings, self._scope)
        self._reveal = RevealServer(self._scope, clock)

    async def open(self) -> None:
        """Open the key for hashes and tokens, compile the rules, and refuse routes whose replies cannot be searched."""
        self._key = open_secret(self._privacy.hash_key) if self._privacy.hash_key is not None else None
        self._reveal.open(self._key)
        self._plans.open(self._key)
        for route in self.chain.routes:
            self._plans.verify_reply(route)

    def routes(self) -> Mapping[Route, Proceed]:
        """Return the route that turns tokens back, if `reveal = true`."""
        return {REVEAL: self._reveal.answer} if self._privacy.reveal else {}

    def model_loaded(self, load: ModelLoad) -> None:
        """Use the rules of the model's signed card for its inputs; refuse to start if the settings contradict them."""
        self._plans.add_model(load.model, CardRules.from_card(load.card))

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        """Change personal data in the request, proceed, and change it in the answer.

        Raises:
            UnsupportedMediaTypeError: if the body cannot be searched.
            ForbiddenError: if the policy demands more anonymization than the settings have rules for.
            UnsearchableReplyError: if the answer cannot be searched.
        """
        plan = self._plan_of(exchange)
        if not plan.is_empty and not await pass_unchanged(exchange, plan):
            await change_request(exchange, plan, self._context(exchange, plan))
        if not plan.changes_replies:
            return await proceed(exchange)
        ask_for_whole_text(exchange)
        context = self._context(exchange, plan)
        try:
            reply = await proceed(exchange)
        except (ApplicationError, ApplicationRefusedError) as error:
            raise await change_sentence(exchange, error, plan, context) from None
        return await change_reply(exchange, reply, plan, context)

    def _plan_of(self, exchange: Exchange) -> RequestPlan:
        """Return the plan for a request, with the profiles of anonymization that the policy demands."""
        decision = exchange.get(Decision)
        profiles = decision.verdict.obligations.anonymize if decision is not None else ()
        return self._plans.plan(exchange.route.template, exchange.model, tuple(profiles))

    def _context(self, exchange: Exchange, plan: RequestPlan) -> Context:
        scope = self._scope if plan.text is None else plan.text.scope
        return Context(self._key, scope_of(exchange, scope, self._clock()) if scope.varies else scope.text)
