"""What a steered generation does to the residual stream, by an independent trace of its forwards: judged per row of the
batch, absolute position and block, however the tool batches the rows and feeds the model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from steering_core.errors import EmptyMeasurement
from steering_core.models.model import LoadedModel
from steering_core.models.shared_copy import sharing_copy
from steering_core.models.tokens import TokenBatch
from steering_core.observe.expectation import INSIDE, check_editable
from steering_core.observe.forward_trace import ForwardTrace, trace_forward
from steering_core.observe.judgment import Judgment, judge_exactly
from steering_core.observe.model_call import calls_on_cpu
from steering_core.observe.observed_generation import ObservedGeneration, Place
from steering_core.observe.places import at_places
from steering_core.observe.reference_judgment import Comparison, judge_by_reference
from steering_core.observe.reference_stream import ReferenceStream
from steering_core.observe.row_matching import known_rows
from steering_core.observe.tokens_seen import SeenTokens, find_tokens
from steering_core.tools.edits import Edit
from steering_core.tools.tool import Tool


@dataclass(eq=False)
class TracedGeneration:
    """A steered generation, with the tensors that it left behind. untouched: the model in modules that no tool has
    changed."""

    untouched: LoadedModel
    batch: TokenBatch
    edits: Sequence[Edit]
    ids: Tensor
    trace: ForwardTrace
    seen: SeenTokens
    judgment: Judgment
    floor: float | None

    def reference(self, edits: Sequence[Edit]) -> ReferenceStream:
        """The stream of an independent generation of the same tokens. What a block returned is meant without its own edits;
        where they are inside it, that is what a generation shows that has only the edits of the blocks before."""
        stream = ReferenceStream(self.untouched, self.batch, self.ids, edits)
        for block in {edit.site.layer for edit in edits if edit.site.stream in INSIDE}:
            before = [edit for edit in edits if edit.site.layer < block]
            stream.returned[block] = ReferenceStream(self.untouched, self.batch, self.ids, before).received[block]
        return stream


def observe_generation(
    tool: Tool,
    model: LoadedModel,
    batch: TokenBatch,
    edits: Sequence[Edit],
    new_tokens: int,
    *,
    untouched: LoadedModel | None = None,
    floor: float | None = None,
    expected: Sequence[Edit] | None = None,
) -> ObservedGeneration:
    """Steer with the tool's own generation under a trace; EmptyMeasurement if the trace saw nothing, ToolUnsupported for
    an edit of a stream that is not `EDITABLE`.

    untouched: the same weights in modules that no tool has changed, for the reference; by default a copy of the model
    before the tool runs. floor: largest |difference| of activations that harmless changes make; by default a few units
    in the last place at the norm of the stream. expected: judge by these edits instead of those that the tool was given.
    """
    options: dict[str, Any] = {"untouched": untouched, "floor": floor, "expected": expected}
    run = trace_generation(tool, model, batch, edits, new_tokens, **options)
    rows = known_rows(batch, run.ids, end_tokens(model))
    observed = at_places(run.judgment, run.seen, rows, run.ids, len(run.trace.calls))
    if observed.moved_tokens or not observed.wrong:
        return observed
    plain = tool.generate(model, batch, [], new_tokens)
    return replace(observed, strayed=strayed(run), answers_moved=not run.ids.equal(plain))


def trace_generation(
    tool: Tool,
    model: LoadedModel,
    batch: TokenBatch,
    edits: Sequence[Edit],
    new_tokens: int,
    *,
    untouched: LoadedModel | None = None,
    floor: float | None = None,
    expected: Sequence[Edit] | None = None,
) -> TracedGeneration:
    """The same, with the tensors."""
    check_editable(edits)
    untouched = untouched or replace(model, module=sharing_copy(model.module))
    inside = any(edit.site.stream in INSIDE for edit in (*edits, *(expected or ())))
    with trace_forward(model, inside=inside, untouched=untouched) as trace:
        ids = tool.generate(model, batch, edits, new_tokens)
    if not trace.received:
        sentence = f"{tool.name} generated without running the model's blocks"
        raise EmptyMeasurement("unobserved", sentence, "run the model that was given")
    trace.calls[:] = calls_on_cpu(trace.calls)
    seen = find_tokens(untouched, trace.calls, known_rows(batch, ids, end_tokens(model)))
    edits = edits if expected is None else expected
    judgment = judge_exactly(model, trace, seen, edits)
    run = TracedGeneration(untouched, batch, edits, ids, trace, seen, judgment, floor)
    if seen.tokens and judgment.unsettled:
        judge_by_reference(judgment, trace, seen.tokens, run.reference(edits), floor)
    return run


def end_tokens(model: LoadedModel) -> list[int]:
    """The tokens that end an answer."""
    ends = model.decoding(1).eos_token_id
    return [] if ends is None else [ends] if isinstance(ends, int) else list(ends)


def strayed(run: TracedGeneration) -> list[Place]:
    """Where the stream of a generation differs from an unsteered one of the same tokens, far beyond rounding."""
    plain, tokens = run.reference([]), run.seen.tokens
    far = [Comparison(run.trace, tokens, plain, block, run.floor).far.tolist() for block in range(len(plain.received))]
    numbers = [(block, number) for block, row in enumerate(far) for number, is_far in enumerate(row) if is_far]
    return sorted({(block, row, tokens[number].position) for block, number in numbers for row in tokens[number].rows})
