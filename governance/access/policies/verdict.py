"""A request to the policies, their verdict, and the decision that the rest of the request uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from governance.access.callers.caller import AttributeValue
from governance.access.policies.obligations import NO_OBLIGATIONS, Obligations, strictest
from governance.errors import ForbiddenError


class PolicyRequest(NamedTuple):
    """A request as the policies see it.

    Attributes:
        caller: Id of the caller.
        roles: Roles of the caller.
        action: Id of the action.
        resource: `("Model", name)` or `("Service", name)`.
        groups: ModelGroups of the model.
        route: Template of the route, such as `/v2/models/{model}/infer`.
        purpose: Purpose that the caller names, or None.
        attributes: Cedar attributes of the caller, sorted by name.
        model_attributes: Cedar attributes of the model, sorted by name.
        client_ip: IP address of the client, or None.
        minute: Minutes since 1970 (UTC), or None.
        data_classes: Sorted classes of the personal data in the body, or None before it is read.
        emergency: Reason code of an emergency grant, or None.
    """

    caller: str
    roles: tuple[str, ...]
    action: str
    resource: tuple[str, str]
    groups: tuple[str, ...]
    route: str | None
    purpose: str | None = None
    attributes: tuple[tuple[str, AttributeValue], ...] = ()
    model_attributes: tuple[tuple[str, AttributeValue], ...] = ()
    client_ip: str | None = None
    minute: int | None = None
    data_classes: tuple[str, ...] | None = None
    emergency: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of the policies for one request.

    Attributes:
        allowed: Whether the request is permitted.
        policy_ids: Sorted `@id`s of the policies that decided; empty if no policy applied.
        policy_digest: Digest of the policy set.
        errors: Errors of policies; any error denies the request.
        obligations: Conditions of the permits that decided.
    """

    allowed: bool
    policy_ids: tuple[str, ...]
    policy_digest: str
    errors: tuple[str, ...] = ()
    obligations: Obligations = NO_OBLIGATIONS

    def __str__(self) -> str:
        if self.errors:
            return f"denied, because policies raised errors: {'; '.join(self.errors)}"
        if not self.policy_ids:
            return "denied: no policy permits it"
        return f"{'permitted' if self.allowed else 'forbidden'} by {', '.join(self.policy_ids)}"


@dataclass(slots=True)
class Decision:
    """The policies' decision on one request, made before the body is read and again when personal data was found in it.

    Attributes:
        verdict: The current verdict.
        review: Returns the verdict for given data classes.
        shadow: Verdict of the candidate policies, or None if there are none.
        grant: Id of the emergency grant that was needed, or None.
        purpose: Purpose that the caller names, if cards or policies contain it; "other" for any other, so that no text
            of a caller is logged.
        fulfilled: Set to True by the code that limited the answer as `verdict.obligations.output` says.
    """

    verdict: Verdict
    review: Callable[[frozenset[str]], Verdict] = field(repr=False)
    shadow: Verdict | None = None
    grant: str | None = None
    purpose: str | None = None
    fulfilled: bool = False

    def data_found(self, classes: frozenset[str]) -> None:
        """Decide again for the classes of personal data that were found; the stricter obligations apply.

        Raises:
            ForbiddenError: if the policies do not permit such data in this request.
        """
        before, again = self.verdict.obligations, self.review(classes)
        self.verdict = replace(again, obligations=strictest((before, again.obligations)))
        if not again.allowed:
            raise ForbiddenError("the policy does not permit data of this kind in this request")
