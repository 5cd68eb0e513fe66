"""What a tool is asked to do, and what is observed meanwhile, in the process where the tool lives.

Each operation gets a stage, the tool and plain arguments, and returns plain data and tensors.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from torch import Tensor

from steering_core.errors import EmptyMeasurement
from steering_core.hosts.checked_tool import CheckedTool
from steering_core.hosts.interference import beside_hook, beside_model
from steering_core.hosts.lending import PLANNED, Loan, lent, raised_by
from steering_core.hosts.stage import Stage
from steering_core.localize.capture import read_sites
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.models.value_digests import Digest, value_digests
from steering_core.observe.arrival import Arrival, observe_arrival
from steering_core.observe.aspects import LeftChanged
from steering_core.observe.fault_injection import memory_of_block, planted_at
from steering_core.observe.kept_memory import growing_memory
from steering_core.observe.liveness import count_library_calls
from steering_core.observe.model_state import watching
from steering_core.observe.observed_generation import ObservedGeneration
from steering_core.observe.projections import Projections, observe_projections
from steering_core.observe.shifts import observe_generation
from steering_core.tools.edits import Edit
from steering_core.tools.tool import Tool


def read(stage: Stage, tool: Tool, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
    """One forward -> {site: [batch, seq, width]}."""
    return tool.read(stage.model, batch, sites)


def read_differing(
    stage: Stage, tool: Tool, batch: TokenBatch, sites: Sequence[Site], known: Mapping[Site, Digest]
) -> dict[Site, Tensor]:
    """The same, without the values of which the digests are known: what is as expected need not travel."""
    returned = tool.read(stage.model, batch, sites)
    digests = value_digests(returned, batch.mask)
    return {site: value for site, value in returned.items() if site not in known or digests.get(site) != known[site]}


def generate(stage: Stage, tool: Tool, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
    """New token ids, int64 [batch, <= max_new_tokens]."""
    return tool.generate(stage.model, batch, edits, max_new_tokens)


def direction(stage: Stage, tool: Any, harmful: TokenBatch, harmless: TokenBatch, site: Site) -> Tensor:
    """The direction that a tool with a method of its own extracts: [hidden]."""
    extracted: Tensor = tool.direction(stage.model, harmful, harmless, site)
    return extracted


def observe(
    stage: Stage,
    tool: Tool,
    batch: TokenBatch,
    edits: Sequence[Edit],
    max_new_tokens: int,
    floor: float | None = None,
    expected: Sequence[Edit] | None = None,
) -> ObservedGeneration:
    """A steered generation, and where it moved the residual stream. floor, expected: see `observe_generation`."""
    untouched = replace(stage.model, module=stage.pristine)
    options: dict[str, Any] = {"untouched": untouched, "floor": floor, "expected": expected}
    return observe_generation(tool, stage.model, batch, edits, max_new_tokens, **options)


def projections(
    stage: Stage,
    tool: Tool,
    batch: TokenBatch,
    edits: Sequence[Edit],
    max_new_tokens: int,
    directions: Mapping[int, Tensor],
) -> tuple[Tensor, Projections]:
    """A generation, and where each of its tokens stands along a direction per layer: see `observe_projections`."""
    untouched = replace(stage.model, module=stage.pristine)
    return observe_projections(tool, stage.model, batch, edits, max_new_tokens, directions, untouched)


def arrival(stage: Stage, tool: Tool, batch: TokenBatch, edit: Edit) -> Arrival:
    """The stream before and after one edit, at the tokens of the prompt that moved."""
    return observe_arrival(tool, stage.model, batch, edit, untouched=replace(stage.model, module=stage.pristine))


def truth(stage: Stage, tool: Tool, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
    """What the suite itself captures in the process of a tool, in modules that the tool has not touched."""
    return read_sites(stage.untouched(), batch, sites)


def planted(
    stage: Stage,
    tool: Tool,
    block: int,
    vector: Tensor,
    prompts: TokenBatch,
    inner: str,
    arguments: dict[str, Any],
) -> Any:
    """Another operation, while a block adds a vector ([hidden]) in every row that holds one of the prompts."""
    with planted_at(stage.model, block, vector, prompts):
        return OPERATIONS[inner](stage, tool, **arguments)


def in_program(
    stage: Stage, tool: CheckedTool, defaults: Mapping[str, Any], inner: str, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Another operation's `value` on a checkpoint whose generation config has other settings; and the `breaches` of the
    contract in it."""
    value = OPERATIONS[inner](stage.with_defaults(defaults), tool, **arguments)
    return {"value": value, "breaches": tool.breaches}


def library_calls(
    stage: Stage, tool: Tool, batch: TokenBatch, site: Site, edits: Sequence[Edit], actions: Sequence[str]
) -> dict[str, int]:
    """action -> calls of the tool's own library from within the model."""
    loan = Loan(stage.model, batch, site, list(edits), {})
    inner = _itself(tool)
    return {action: count_library_calls(inner, partial(loan.act, inner, action)) for action in actions}


def contract(stage: Stage, tool: CheckedTool, calls: Sequence[Mapping[str, Any]]) -> list[str]:
    """The breaches of several calls, each with the operation's name as `do`; the values live until the last one.

    A value that comes back twice is shared only as long as its first owner has it.
    """
    held: list[Any] = []
    for call in calls:
        arguments = dict(call)
        held.append(_attempted(OPERATIONS[arguments.pop("do")], stage, tool, arguments))
    return tool.breaches


def _attempted(operation: Callable[..., Any], stage: Stage, tool: CheckedTool, arguments: dict[str, Any]) -> Any:
    """An answer that cannot be used at all is a breach too; the calls go on."""
    try:
        return operation(stage, tool, **arguments)
    except EmptyMeasurement:
        return None


def ownership(
    stage: Stage, tool: Tool, batch: TokenBatch, others: Sequence[TokenBatch], sites: Sequence[Site]
) -> dict[str, Any]:
    """aliased: the sites of one block whose value is memory that the model itself used. given: those with a value. The
    values, {site: [batch, seq, width]}: undisturbed, held during forwards over other prompts, and read again after the
    caller wrote into the held ones; only of sites where they are not equal bit for bit at every real token."""
    # The tool itself: the contract would give a value of its own memory to one that has none.
    read = partial(_itself(tool).read, stage.model, sites=list(sites))
    with memory_of_block(stage.model, sites[0].layer) as addresses:
        held = read(batch=batch)
        given = [site for site in sites if site in held]  # whether any is lost is for P0 and P1 to say
        if not given:
            raise EmptyMeasurement("tool-contract", "read() returned no requested site", "see P0")
        aliased = [site for site in given if held[site].untyped_storage().data_ptr() in addresses]
    undisturbed = {site: held[site].clone() for site in given}
    for other in others:
        read(batch=other)
    kept = {site: held[site].clone() for site in given}
    for site in given:
        held[site].zero_()
    again = read(batch=batch)
    values = {"undisturbed": undisturbed, "held": kept, "again": {site: again[site] for site in given}}
    digests = [value_digests(each, batch.mask) for each in values.values()]
    differing = [site for site in given if any(each.get(site, ()) != digests[0].get(site) for each in digests)]
    shown = {name: {site: each[site] for site in differing} for name, each in values.items()}
    return {"aliased": aliased, "given": given, **shown}


def _itself(tool: Tool) -> Tool:
    """The tool without the contract around it."""
    inner: Tool = getattr(tool, "inner", tool)
    return inner


def left_changed(
    stage: Stage, tool: Tool, batch: TokenBatch, site: Site, edits: Sequence[Edit], actions: Sequence[str]
) -> dict[str, LeftChanged]:
    """action -> what it left changed in a model, inputs and process that were lent to the tool."""
    return {action: _left_by(stage, tool, action, lent(stage, batch, site, edits)) for action in actions}


def _left_by(stage: Stage, tool: Tool, action: str, lending: AbstractContextManager[Loan]) -> LeftChanged:
    with lending as loan:
        with watching(loan.model, loan.tensors, stage.baseline) as left:
            loan.act(_itself(tool), action)
        if growing := growing_memory(partial(loan.act, _itself(tool), action)):
            left.changed["memory"] = growing
    return left


def after_failure(
    stage: Stage,
    tool: Tool,
    batch: TokenBatch,
    site: Site,
    edits: Sequence[Edit],
    actions: Sequence[str],
    block: int,
    interrupted: bool,
) -> dict[str, Any]:
    """raised: what reached the caller when a block failed, "planned" or the type of another exception; changes: aspect ->
    what was left changed."""
    with lent(stage, batch, site, edits) as loan, watching(loan.model, loan.tensors) as left:
        raised = [raised_by(loan, _itself(tool), action, block, interrupted) for action in actions]
    return {"raised": next((name for name in raised if name != PLANNED), PLANNED), "changes": left.changed}


OPERATIONS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        operation.__name__: operation
        for operation in (
            *(read, read_differing, generate, direction, observe, projections, arrival, planted, contract, truth),
            *(in_program, beside_hook, beside_model),
            *(library_calls, ownership, left_changed, after_failure),
        )
    }
)
