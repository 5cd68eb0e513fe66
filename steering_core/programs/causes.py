"""What a wrong tool may have done instead: other readings of a call's edits, simplest first, each with its name.

A reading that explains what was observed names the cause of a failure.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from steering_core.observe.expectation import INSIDE
from steering_core.tools.edits import Ablate, Add, Affine, Edit, Interpolate, Phase, Scale, Set, Span

PARTNERS = {"attn_out": "mlp_out", "mlp_out": "attn_out", "attn_contrib": "mlp_contrib", "mlp_contrib": "attn_contrib"}
FORMS = {"attn_out": "attn_contrib", "attn_contrib": "attn_out", "mlp_out": "mlp_contrib", "mlp_contrib": "mlp_out"}
"""Streams inside a block -> the same of the other module; what is returned -> what of it is added to the stream, and back."""
Edits = list[Edit]
Reading = Callable[[Edits], Edits]


def readings(edits: Sequence[Edit], before: Sequence[Edit], blocks: int) -> Iterator[tuple[str, Edits]]:
    """(name, edits) of every reading that differs from what was requested. before: the edits of the call before, on the
    same model; blocks: how many the model has."""
    asked = list(edits)
    others = [
        ("the edits of the call before are applied", list(before)),
        ("the edits of the call before are applied too", [*before, *asked]),
    ] * bool(before)
    for name, other in [*((name, read(asked)) for name, read in READINGS.items()), *others]:
        if all(edit.site.layer in range(blocks) for edit in other) and _signature(other) != _signature(asked):
            yield name, other


def _signature(edits: Edits) -> list[tuple[Any, ...]]:
    return [(type(edit), *(_key(getattr(edit, part.name)) for part in fields(edit))) for edit in edits]


def _key(value: Any) -> Any:
    return (str(value.dtype), *value.tolist()) if isinstance(value, Tensor) else value


def _in_phase(phase: Phase) -> Reading:
    return lambda edits: [replace(edit, phase=phase) for edit in edits]


def _scaled(scale: Callable[[float], float]) -> Reading:
    def read(edits: Edits) -> Edits:
        return [
            edit if isinstance(edit, Ablate | Set) else replace(edit, coefficient=scale(edit.coefficient))
            for edit in edits
        ]

    return read


def _with_vectors(change: Callable[[Tensor], Tensor]) -> Reading:
    return lambda edits: [
        edit if isinstance(edit, Scale) else replace(edit, vector=change(edit.vector)) for edit in edits
    ]


def _moved(by: int) -> Reading:
    return lambda edits: [replace(edit, site=replace(edit.site, layer=max(0, edit.site.layer + by))) for edit in edits]


def _streams(other: Callable[[str], str]) -> Reading:
    """Edits inside blocks, of other streams."""

    def moved(edit: Edit) -> Edit:
        site = edit.site
        return replace(edit, site=replace(site, stream=other(site.stream))) if site.stream in INSIDE else edit

    return lambda edits: [moved(edit) for edit in edits]


def _last_stream(edits: Edits) -> Edits:
    last = {edit.site.layer: edit.site for edit in edits if edit.site.stream in INSIDE}
    return [edit for edit in edits if edit.site.stream not in INSIDE or edit.site == last[edit.site.layer]]


def _block_first(edits: Edits) -> Edits:
    between = {edit.site.layer for edit in edits if edit.site.stream not in INSIDE}
    return [edit for edit in edits if edit.site.stream not in INSIDE or edit.site.layer not in between]


def _only(keep: Callable[[Edits], Edits]) -> Reading:
    """One rule for the edits of each block."""
    return lambda edits: [edit for edit in edits if edit in keep([other for other in edits if other.site == edit.site])]


def _swapped(edits: Edits) -> Edits:
    other: dict[Phase, Phase] = {"prefill": "decode", "decode": "prefill", "both": "both"}
    return [replace(edit, phase=other[edit.phase]) for edit in edits]


def _without(phase: Phase, *, left: Phase) -> Reading:
    """What the edits do in the other phase."""
    return lambda edits: [replace(edit, phase=left) for edit in edits if edit.phase != phase]


def _ablations_negated(edits: Edits) -> Edits:
    return [Add(edit.site, edit.vector, -1.0, edit.phase) if isinstance(edit, Ablate) else edit for edit in edits]


def _sets_added(edits: Edits) -> Edits:
    return [added(edit, 1.0) if isinstance(edit, Set) else edit for edit in edits]


def _interpolations_added(edits: Edits) -> Edits:
    return [added(edit, edit.coefficient) if isinstance(edit, Interpolate) else edit for edit in edits]


def added(edit: Set | Interpolate, coefficient: float) -> Add:
    """The addition of the vector of another edit, where that applies."""
    ranges: dict[str, Any] = {"positions": edit.positions, "features": edit.features}
    return Add(edit.site, edit.vector, coefficient, edit.phase, **ranges)


def _weights_exchanged(edits: Edits) -> Edits:
    return [
        replace(edit, coefficient=1 - edit.coefficient) if isinstance(edit, Interpolate) else edit for edit in edits
    ]


def _at_the_origin(edits: Edits) -> Edits:
    return [
        replace(edit, reference=torch.zeros_like(edit.reference)) if isinstance(edit, Affine) else edit
        for edit in edits
    ]


def _ranges(name: str, change: Callable[[Span], Span | None]) -> Reading:
    """name: `positions` or `features`."""

    def read(edits: Edits) -> Edits:
        spans = [getattr(edit, name) for edit in edits]
        changes: list[dict[str, Any]] = [{name: span and change(span)} for span in spans]
        return [replace(edit, **own) for edit, own in zip(edits, changes, strict=True)]

    return read


def _end_included(span: Span) -> Span:
    return Span(span.start, None if span.stop in {None, -1} else (span.stop or 0) + 1)


READINGS: dict[str, Reading] = {
    "nothing is applied": lambda edits: [],
    "adds are applied before ablations": lambda edits: sorted(edits, key=lambda edit: isinstance(edit, Ablate)),
    "ablations are applied before adds": lambda edits: sorted(edits, key=lambda edit: isinstance(edit, Add)),
    "edits are applied in reverse order": lambda edits: edits[::-1],
    "only the first edit of each block is applied": _only(lambda own: own[:1]),
    "only the last edit of each block is applied": _only(lambda own: own[-1:]),
    "inside each block only the last edited stream is edited": _last_stream,
    "only the first edit is applied": lambda edits: edits[:1],
    "only the last edit is applied": lambda edits: edits[-1:],
    "ablations are left out": lambda edits: [edit for edit in edits if not isinstance(edit, Ablate)],
    "additions are left out": lambda edits: [edit for edit in edits if not isinstance(edit, Add)],
    "only additions and ablations are applied": lambda edits: [e for e in edits if isinstance(e, Add | Ablate)],
    "edits of the first block are left out": lambda edits: [edit for edit in edits if edit.site.layer],
    "phases are ignored": _in_phase("both"),
    "edits of every phase are applied in prefill only": _in_phase("prefill"),
    "edits of every phase are applied in decode only": _in_phase("decode"),
    "the phases are swapped": _swapped,
    "the decode phase is left out": _without("decode", left="prefill"),
    "the prefill phase is left out": _without("prefill", left="decode"),
    "the sign of the coefficient is dropped": _scaled(abs),
    "the sign of the coefficient is flipped": _scaled(lambda value: -value),
    "the coefficient is ignored": _scaled(lambda value: 1.0),
    "the coefficient is rounded to a whole number": _scaled(lambda value: float(int(value))),
    "negative coefficients are taken as zero": _scaled(lambda value: max(value, 0.0)),
    "the vector is normalized": _with_vectors(lambda vector: vector / vector.norm()),
    "the vector is rounded to bfloat16": _with_vectors(lambda vector: vector.bfloat16().to(vector.dtype)),
    "the vector is rounded to float16": _with_vectors(lambda vector: vector.half().to(vector.dtype)),
    "edits are applied one block later": _moved(1),
    "edits are applied one block earlier": _moved(-1),
    "edits inside blocks are left out": lambda edits: [edit for edit in edits if edit.site.stream not in INSIDE],
    "edits inside blocks are applied to the block's output": _streams(lambda stream: "resid_post"),
    "edits of attention and of the MLP are exchanged": _streams(PARTNERS.__getitem__),
    "edits of a module's output and of its contribution are exchanged": _streams(FORMS.__getitem__),
    "edits inside a block whose output is edited are left out": _block_first,
    "edits are applied twice": lambda edits: [each for edit in edits for each in (edit, edit)],
    "ablation subtracts the vector": _ablations_negated,
    "setting adds the vector": _sets_added,
    "interpolation adds the vector": _interpolations_added,
    "the weights of the interpolation are swapped": _weights_exchanged,
    "the reference point of the affine edit is taken as zero": _at_the_origin,
    "position ranges are ignored": _ranges("positions", lambda span: None),
    "position ranges include their end": _ranges("positions", _end_included),
    "feature ranges are ignored": _ranges("features", lambda span: None),
    "feature ranges include their end": _ranges("features", _end_included),
    "feature ranges begin one later": _ranges("features", lambda span: replace(span, start=span.start + 1)),
}
