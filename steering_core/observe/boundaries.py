"""Where a stream is handed on in a forward call, and an edit of it shows: what a module itself returned, beside what the
next one received."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from steering_core.observe.forward_trace import MODULES_INSIDE, ForwardTrace, InnerTensors
from steering_core.tools.edits import Edit


@dataclass(frozen=True, eq=False)
class Boundary:
    """own: what a module returned, before any tool changed it. edits: those of it. residual: what it is added to on its
    way, if anything. arrived: the result, as the next module received it. All [batch, width, hidden]."""

    block: int
    edits: Sequence[Edit]
    own: Tensor
    arrived: Tensor
    residual: Tensor | None = None

    def handed_on(self, own: Tensor) -> Tensor:
        """What arrives if the module returns `own`, in the model's dtype."""
        return own if self.residual is None else self.residual + own


def boundaries_of(trace: ForwardTrace, call: int, edits: Sequence[Edit]) -> Iterator[Boundary]:
    """Those of every block that returned in the call, and whose successor received; in the order of computation. Inside
    blocks only if the trace looks there."""
    returned, received = trace.returned[call], trace.received[call]
    for block in (number for number in returned if number + 1 in received):
        here = [edit for edit in edits if edit.site.layer == block]
        inner = trace.inside[call].get(block, {})
        if trace.looks_inside and len(inner) < len(MODULES_INSIDE):
            continue  # the tool computed part of the block in another way: its tokens count as unseen
        if trace.looks_inside:
            yield from _inside(block, here, inner, received[block], returned[block])
        yield Boundary(block, _of(here, "resid_post"), returned[block], received[block + 1])


def _inside(
    block: int, edits: Sequence[Edit], inner: Mapping[str, InnerTensors], start: Tensor, end: Tensor
) -> Iterator[Boundary]:
    """start, end: what the block received and returned."""
    middle = inner["resid_mid"].given
    for part, residual, arrived in (("attn", start, middle), ("mlp", middle, end)):
        out, contribution = inner[f"{part}_out"], inner[f"{part}_contrib"]
        if out is contribution:
            yield Boundary(block, _of(edits, f"{part}_out", f"{part}_contrib"), out.returned, arrived, residual)
        else:  # a norm lies between them
            yield Boundary(block, _of(edits, f"{part}_out"), out.returned, contribution.given)
            yield Boundary(block, _of(edits, f"{part}_contrib"), contribution.returned, arrived, residual)


def _of(edits: Sequence[Edit], *streams: str) -> list[Edit]:
    return [edit for edit in edits if edit.site.stream in streams]
