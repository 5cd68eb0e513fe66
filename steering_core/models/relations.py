"""How two models of the registry are related, as far as their rows say."""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from steering_core.errors import UsageProblem
from steering_core.models.registry import ModelSpec, pick


class Relation(StrEnum):
    """What a direction of one model crosses on its way to another. CHECKPOINTS: one family and shape, and no row says that
    one was tuned from the other."""

    OWN = "own"
    STAGES = "stages"
    SIZES = "sizes"
    FAMILIES = "families"
    CHECKPOINTS = "checkpoints"


def relation(registry: Mapping[str, ModelSpec], source: str, target: str) -> Relation:
    """Of two models, by their keys; UsageProblem as `stages_before`."""
    one, other = registry[source], registry[target]
    if source == target:
        return Relation.OWN
    if source in stages_before(registry, target) or target in stages_before(registry, source):
        return Relation.STAGES
    if one.family != other.family:
        return Relation.FAMILIES
    same = (one.layers, one.hidden) == (other.layers, other.hidden)
    return Relation.CHECKPOINTS if same else Relation.SIZES


def stages_before(registry: Mapping[str, ModelSpec], key: str) -> tuple[str, ...]:
    """The models that it was tuned from, the latest first; UsageProblem for one without a row, of another family or shape, or
    that comes before itself."""
    return tuple(_walk(registry, key))


def _walk(registry: Mapping[str, ModelSpec], key: str) -> Iterator[str]:
    seen, last = {key}, registry[key]
    while key := registry[key].tuned_from:
        before = pick(registry, key, "model in tuned_from")
        if (shapes := (_shape(before), _shape(last)))[0] != shapes[1]:
            sentence = f"{last.key} is tuned from {key}, but they are {shapes[1]} and {shapes[0]}"
            raise UsageProblem("tuned-from", sentence, "stages have one shape: correct tuned_from in the registry")
        if key in seen:
            raise UsageProblem("tuned-from", f"{key} is tuned from itself", "correct tuned_from in the registry")
        seen.add(key)
        last = before
        yield key


def _shape(spec: ModelSpec) -> str:
    return f"{spec.family} of {spec.layers} blocks and hidden size {spec.hidden}"
