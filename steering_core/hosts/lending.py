"""A model, prompts and vectors that are lent to a tool, and what the tool left changed in them and in the process."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from steering_core.hosts.stage import Stage
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.observe.fault_injection import PlannedFailure, PlannedInterrupt, failing_at
from steering_core.observe.model_state import state_changes, state_of, with_user_state
from steering_core.tools.edits import Edit
from steering_core.tools.tool import Tool

SHORT = 3
"""New tokens of a generation of which only the side effects matter."""
PLANNED = "planned"
"""The planned exception reached the caller."""


@dataclass(eq=False)
class Loan:
    """What is lent, and aspect -> what was left changed, known once the loan has ended."""

    model: LoadedModel
    batch: TokenBatch
    site: Site
    edits: list[Edit]
    changes: dict[str, str] = field(default_factory=dict)

    def act(self, tool: Tool, action: str) -> object:
        """One read, or one short steered generation."""
        if action == "read":
            return tool.read(self.model, self.batch, [self.site])
        return tool.generate(self.model, self.batch, self.edits, SHORT)


@contextmanager
def lent(stage: Stage, batch: TokenBatch, site: Site, edits: Sequence[Edit]) -> Iterator[Loan]:
    """The same weights in modules that no tool has touched, a hook of the user's, and copies of the inputs."""
    inputs = replace(batch, ids=batch.ids.clone(), mask=batch.mask.clone())
    loan = Loan(stage.untouched(), inputs, site, [replace(edit, vector=edit.vector.clone()) for edit in edits])
    tensors = {"the token ids": loan.batch.ids, "the attention mask": loan.batch.mask}
    tensors |= {f"the vector for {edit.site}": edit.vector for edit in loan.edits}
    with with_user_state(loan.model):
        before = state_of(loan.model, tensors)
        yield loan
        loan.changes |= state_changes(before, state_of(loan.model, tensors))


def raised_by(loan: Loan, tool: Tool, action: str, block: int, interrupted: bool) -> str:
    """`PLANNED` when the exception of a failing block reaches the caller as it is, or as a subclass; else its type."""
    kind: type[BaseException] = PlannedInterrupt if interrupted else PlannedFailure
    with failing_at(loan.model, block, kind):
        try:
            loan.act(tool, action)
        except kind:
            return PLANNED
        except (Exception, PlannedInterrupt) as error:
            return type(error).__name__
    return "none"
