"""What a run was made on, as its records say: the suite's own fixtures, random or unverified weights, another tokenizer."""

from collections.abc import Iterator
from pathlib import PurePath

from reports.verdicts.run_index import RunIndex
from steering_core.records.provenance import RANDOM_ORIGIN
from steering_core.records.record import Value

RANDOM_DIGEST, RANDOM = "random:", "random"
Provenance = dict[str, Value]


def is_self_test(index: RunIndex) -> bool:
    """Whether every model is a tiny fixture of the suite; records of older runs do not say, and count as no self-test. A
    base model without a check of its own, from which other models take directions, does not count."""
    checked = {cell.model for cell in index.plan.planned}
    models = [model for model in index.plan.models if model in checked] or index.plan.models
    return all(any(row.get("tiny") is True for row in _provenance(index, model)) for model in models)


def list_caveats(index: RunIndex) -> tuple[str, ...]:
    """Weights and tokenizers that are not known to be those of the models, each kind with its models."""
    models: dict[str, list[str]] = {}
    for model in dict.fromkeys(index.plan.models):
        for caveat in dict.fromkeys(_caveats(index, model)):
            models.setdefault(caveat, []).append(model)
    return tuple(f"{caveat} ({', '.join(names)})" for caveat, names in models.items())


def _caveats(index: RunIndex, model: str) -> Iterator[str]:
    rows = list(_provenance(index, model))
    if index.plan.random_weights or any(map(is_random, rows)):
        yield RANDOM_ORIGIN
    elif any(map(_is_unverified, rows)):
        yield "unverified weights"
    if any(map(_has_foreign_tokenizer, rows)):
        yield "a foreign tokenizer"


def _provenance(index: RunIndex, model: str) -> Iterator[Provenance]:
    return (record.provenance for record in index.of_model(model) if record.provenance)


def is_random(row: Provenance) -> bool:
    """Whether a record says that its model has random weights."""
    named = row.get("origin") == RANDOM_ORIGIN or row.get("weights_verified") == RANDOM
    return named or str(row.get("weights", "")).startswith(RANDOM_DIGEST)


def _is_unverified(row: Provenance) -> bool:
    """What the record says itself; else whether weights of a registered model came from another place than its own."""
    if isinstance(verified := row.get("weights_verified"), bool):
        return not verified
    return bool(row.get("origin")) and not _is_of_model(row, row["origin"])


def _has_foreign_tokenizer(row: Provenance) -> bool:
    """A tokenizer from a place that is neither the model's nor that of its weights."""
    tokenizer = row.get("tokenizer")
    own = tokenizer in (None, "", row.get("origin"))
    return not own and not _is_of_model(row, tokenizer)


def _is_of_model(row: Provenance, place: Value) -> bool:
    """Whether a directory or hub id is the registered one: by name, in the hub's cache, or below the repository."""
    model, place = str(row.get("model_id", "")), str(place)
    cached = f"models--{model.replace('/', '--')}" in PurePath(place).parts
    return not model or place == model or cached or (model.startswith("fixtures/") and place.endswith(f"/{model}"))
