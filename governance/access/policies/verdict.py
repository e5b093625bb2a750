"""A policy decision, as the other plugins meet it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from governance.access.callers.caller import AttributeValue
from governance.access.policies.obligations import NO_OBLIGATIONS, Obligations, strictest
from governance.errors import ForbiddenError


class PolicyRequest(NamedTuple):
    """One question to the policies.

    Attributes:
        resource: `("Model", name)` or `("Service", name)`.
        groups: the ModelGroups of the model.
        attributes, model_attributes: Cedar attributes of caller and model, sorted by name.
        minute: minutes since 1970, in UTC, where the policies look at the time.
        data_classes: of the personal data that was found in the body, sorted; none before it was read.
        emergency: the reason code of a grant that breaks the glass.
    """

    caller: str
    roles: tuple[str, ...]
    action: str
    resource: tuple[str, str]
    groups: tuple[str, ...]
    route: str
    purpose: str | None = None
    attributes: tuple[tuple[str, AttributeValue], ...] = ()
    model_attributes: tuple[tuple[str, AttributeValue], ...] = ()
    client_ip: str | None = None
    minute: int | None = None
    data_classes: tuple[str, ...] | None = None
    emergency: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided: `policy_ids` are the deciding policies' `@id`s, empty where nothing permitted."""

    allowed: bool
    policy_ids: tuple[str, ...]
    policy_digest: str
    errors: tuple[str, ...] = ()
    obligations: Obligations = NO_OBLIGATIONS

    def __str__(self) -> str:
        if self.errors:
            return f"denied, since policies erred: {'; '.join(self.errors)}"
        if not self.policy_ids:
            return "denied: no policy permits it"
        return f"{'permitted' if self.allowed else 'forbidden'} by {', '.join(self.policy_ids)}"


@dataclass(slots=True)
class Decision:
    """The decision of the policies on one request: before the body is read, and again once data classes are found.

    Attributes:
        verdict: the decision that holds now.
        review: decides again, for a set of data classes.
        shadow: the decision of the candidate policies, or None if there are none.
        grant: the id of the emergency grant that made the difference, or None.
        purpose: the caller's purpose, if cards or policies name it; "other" for any other word, which is not recorded.
        fulfilled: true once the server has limited the answer as `verdict.obligations.output` says.
    """

    verdict: Verdict
    review: Callable[[frozenset[str]], Verdict] = field(repr=False)
    shadow: Verdict | None = None
    grant: str | None = None
    purpose: str | None = None
    fulfilled: bool = False

    def data_found(self, classes: frozenset[str]) -> None:
        """Decide again, now that it is known of which classes the data is.

        Raises:
            ForbiddenError: if the policies do not permit such data here.
        """
        before, again = self.verdict.obligations, self.review(classes)
        self.verdict = replace(again, obligations=strictest((before, again.obligations)))
        if not again.allowed:
            raise ForbiddenError("the policy does not permit data of this kind here")
