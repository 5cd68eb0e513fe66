"""What a row of models.toml and of presets.toml may hold: types and limits, field by field.

The classes that hold a row are those of `steering_core/models/registry.py`, which has to do without pydantic in a
tool's process; a test compares the fields.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steering_core.errors import UsageProblem

Count = Annotated[int, Field(ge=1, le=2**31)]
Block = Annotated[int, Field(ge=0)]
Strength = Annotated[float, Field(allow_inf_nan=False)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]


class _Row(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class ModelRow(_Row):
    """See `ModelSpec`."""

    source: Text
    family: Text
    layers: Count
    hidden: Count
    mlp: Count
    heads: Count
    kv_heads: Count
    head_dim: Count
    vocab: Count
    tied: bool
    dtype: Text
    multiplier: Strength
    layer: Block = 0
    depth: Annotated[float, Field(ge=0, le=1)] = 0
    revision: Text = ""
    tokenizer: str = ""
    tiny: bool = False
    default: bool = False
    tuned: bool = True
    tuned_from: str = ""
    max_new_tokens: Count = 1
    memory_gb: Price = 0
    gpu_hour_usd: Price = 0


class PresetRow(_Row):
    """See `Preset`."""

    blocks: Text
    repeats: Count
    seeds: list[Annotated[int, Field(ge=0, lt=2**63)]]
    source: Text
    layer: Block | None = None
    strength: Strength | None = None
    max_new_tokens: Count | None = None
    inherit_generation_defaults: bool = False
    method: Text = ""
    unique_prompts: Count | None = None
    prompt_repeats: Count = 1
    dtype: Text | None = None


ROWS: dict[str, type[_Row]] = {"ModelSpec": ModelRow, "Preset": PresetRow}
"""By the name of the class that holds the row."""


def check_row(kind: str, row: dict[str, Any], where: str) -> None:
    """UsageProblem with the field, its value and what is accepted, for the first field that is missing, unknown or wrong.

    kind: a key of `ROWS`. where: the file and the row in it.
    """
    rows = ROWS[kind]
    try:
        rows.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field, known = ".".join(map(str, first["loc"])), ", ".join(sorted(rows.model_fields))
        if first["type"] in ("missing", "extra_forbidden"):
            state = "has no field" if first["type"] == "missing" else "has unknown field"
            raise UsageProblem("registry-field", f"{where} {state} {field!r}", f"known: {known}") from None
        sentence = f"{where} has {field} = {_short(first['input'])}"
        expected = first["msg"].replace("Input should be", "expected")
        raise UsageProblem("registry-value", sentence, expected) from None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
