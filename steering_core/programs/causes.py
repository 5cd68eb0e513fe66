"""What a wrong tool may have done instead: other readings of a call's edits, simplest first, each with its name.

A reading that explains what was observed names the cause of a failure.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from steering_core.tools.edits import Ablate, Add, Edit, Phase

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
    return [(type(edit), edit.site, _key(edit.vector), getattr(edit, "coefficient", 0), edit.phase) for edit in edits]


def _key(vector: Tensor) -> tuple[Any, ...]:
    return str(vector.dtype), *vector.tolist()


def _in_phase(phase: Phase) -> Reading:
    return lambda edits: [replace(edit, phase=phase) for edit in edits]


def _scaled(scale: Callable[[float], float]) -> Reading:
    def read(edits: Edits) -> Edits:
        return [replace(edit, coefficient=scale(edit.coefficient)) if isinstance(edit, Add) else edit for edit in edits]

    return read


def _with_vectors(change: Callable[[Tensor], Tensor]) -> Reading:
    return lambda edits: [replace(edit, vector=change(edit.vector)) for edit in edits]


def _moved(by: int) -> Reading:
    return lambda edits: [replace(edit, site=replace(edit.site, layer=max(0, edit.site.layer + by))) for edit in edits]


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


READINGS: dict[str, Reading] = {
    "nothing is applied": lambda edits: [],
    "adds are applied before ablations": lambda edits: sorted(edits, key=lambda edit: isinstance(edit, Ablate)),
    "ablations are applied before adds": lambda edits: sorted(edits, key=lambda edit: isinstance(edit, Add)),
    "edits are applied in reverse order": lambda edits: edits[::-1],
    "only the first edit of each block is applied": _only(lambda own: own[:1]),
    "only the last edit of each block is applied": _only(lambda own: own[-1:]),
    "only the first edit is applied": lambda edits: edits[:1],
    "only the last edit is applied": lambda edits: edits[-1:],
    "ablations are left out": lambda edits: [edit for edit in edits if isinstance(edit, Add)],
    "additions are left out": lambda edits: [edit for edit in edits if isinstance(edit, Ablate)],
    "edits of the first block are left out": lambda edits: [edit for edit in edits if edit.site.layer],
    "phases are ignored": _in_phase("both"),
    "edits of every phase are applied in prefill only": _in_phase("prefill"),
    "edits of every phase are applied in decode only": _in_phase("decode"),
    "the phases are exchanged": _swapped,
    "the decode phase is left out": _without("decode", left="prefill"),
    "the prefill phase is left out": _without("prefill", left="decode"),
    "the sign of the coefficient is lost": _scaled(abs),
    "the sign of the coefficient is exchanged": _scaled(lambda value: -value),
    "the coefficient is ignored": _scaled(lambda value: 1.0),
    "the coefficient is rounded to a whole number": _scaled(lambda value: float(int(value))),
    "negative coefficients are taken as zero": _scaled(lambda value: max(value, 0.0)),
    "the vector is normalized": _with_vectors(lambda vector: vector / vector.norm()),
    "the vector is rounded to bfloat16": _with_vectors(lambda vector: vector.bfloat16().to(vector.dtype)),
    "the vector is rounded to float16": _with_vectors(lambda vector: vector.half().to(vector.dtype)),
    "edits are applied one block later": _moved(1),
    "edits are applied one block earlier": _moved(-1),
    "edits are applied twice": lambda edits: [each for edit in edits for each in (edit, edit)],
    "ablation subtracts the vector": _ablations_negated,
}
