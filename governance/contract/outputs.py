"""A model's outputs in the detail that the policy permits."""

from __future__ import annotations

from governance.access.policies.output_detail import OutputTensors, restrict
from governance.access.policies.verdict import Decision
from governance.contract.exchange import Exchange


def permitted_outputs(exchange: Exchange, outputs: OutputTensors, classes: int) -> OutputTensors:
    """Return a model's outputs in the detail that the policy permits; every server that runs a model calls this.

    Args:
        exchange: the request, with its `Decision` if a policy decided.
        outputs: a tensor for each output's name; the first axis is the batch, the last one the classes.
        classes: how many classes the model's card names; 0 if it names none.

    Raises:
        ForbiddenError: if the policy limits the answer, and an output cannot be limited.
    """
    decision = exchange.get(Decision)
    rule = decision.verdict.obligations.output if decision is not None else None
    if decision is None or rule is None:
        return outputs
    decision.fulfilled = True
    return restrict(outputs, rule, classes)
