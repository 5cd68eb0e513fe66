"""The two JSON files of vectors and of answers, and the names of the tensors beside them (docs/vectors.md)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, ValidationError, model_serializer

from steering_core.errors import UsageProblem
from steering_core.files import read_bytes
from steering_core.models.sites import Site

VECTORS, VALUES = "vectors.json", "values.safetensors"
ANSWERS, ANSWERED = "answers.json", "answers.safetensors"
TOKENS, LOGITS, SHIFT = "tokens", "logits", "shift@"
DIRECTION, NORM = "direction", "norm"
KINDS = ("logits", "shift", "padding", "norm")
"""What an engine may declare as not offered, besides whole vectors."""
Tolerance = Annotated[float, Field(gt=0)]
Number = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
File = TypeVar("File", bound=BaseModel)


class Part(BaseModel):
    """A part of a file: nothing unknown in it, and never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Range(Part):
    """From `start` to before `stop`, as a Python slice: a negative number counts from the end, null is no end."""

    start: int
    stop: int | None


class EditData(Part):
    """One edit of a stream of block `block`; its vectors are the tensors `edit<k>/vector` and `edit<k>/reference`, [hidden].
    stream: the block's output where it is missing, as in files from before there were others."""

    action: Literal["add", "ablate", "set", "scale", "interpolate", "affine"]
    stream: Literal["resid_post", "attn_out", "mlp_out", "attn_contrib", "mlp_contrib"] = "resid_post"
    block: Number
    coefficient: float
    phase: Literal["both", "prefill", "decode"]
    positions: Range | None
    features: Range | None

    @property
    def site(self) -> Site:
        """The edited one."""
        return Site(self.stream, self.block)

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the block's output, so that readers of older files know every field of their vectors."""
        fields: dict[str, Any] = write(self)
        return {name: value for name, value in fields.items() if (name, value) != ("stream", "resid_post")}


class ReadCall(Part):
    """Read sites in one forward over the batch. sites: in the order in which they are requested, one may be requested
    twice. tolerances: site -> allowed |difference|."""

    call: Literal["read"]
    instance: Literal[0, 1]
    padding_side: Literal["left", "right"]
    sites: list[str]
    tolerances: dict[str, Tolerance]


class GenerateCall(Part):
    """Decode greedily with edits. tolerances: `logits`, `shift@<block>` and `shift@<stream>@<block>` -> allowed
    |difference|."""

    call: Literal["generate"]
    instance: Literal[0, 1]
    padding_side: Literal["left"]
    edits: list[EditData]
    max_new_tokens: Count
    use_cache: bool
    prefill_chunk: Number
    tolerances: dict[str, Tolerance]


class DirectionCall(Part):
    """Compute the difference of means between two classes of prompts, at the last real token of each. tolerances:
    `direction` and `norm` -> allowed |difference|."""

    call: Literal["direction"]
    instance: Literal[0, 1]
    padding_side: Literal["left", "right"]
    site: str
    tolerances: dict[str, Tolerance]


AnyCall = Annotated[ReadCall | GenerateCall | DirectionCall, Field(discriminator="call")]


class Vector(Part):
    """Calls in their order on one or two instances of the engine, which are new at the start. text: the same in words.
    generation_config: what the checkpoint's generation config says meanwhile, besides its own settings."""

    name: str
    text: str
    generation_config: dict[str, Any]
    calls: Annotated[list[AnyCall], Field(min_length=1)]


class Checkpoint(Part):
    """The model. folder: in the repository. sha256: of its model.safetensors."""

    folder: str
    sha256: str
    dtype: Literal["float32"]
    blocks: Count
    hidden: Count
    vocabulary: Count
    padding_id: Number


class VectorFile(Part):
    """vectors.json. logit_ids: the token ids whose logits are compared."""

    format: Literal["steering-parity vectors"]
    version: Literal[1]
    checkpoint: Checkpoint
    logit_ids: list[Number]
    vectors: list[Vector]


class AnswerFile(Part):
    """answers.json. engine: name and version. not_offered: name of a vector, or a kind of value (`KINDS`) -> reason."""

    format: Literal["steering-parity answers"]
    version: Literal[1]
    engine: str
    not_offered: dict[str, str] = {}


def schemas() -> dict[str, Any]:
    """The JSON Schema of both files, by file name."""
    return {VECTORS: VectorFile.model_json_schema(), ANSWERS: AnswerFile.model_json_schema()}


def read_file(path: Path, kind: type[File]) -> File:
    """One of the JSON files; UsageProblem for anything else."""
    try:
        return kind.model_validate_json(read_bytes(path))
    except OSError as error:
        raise UsageProblem("vectors", f"{path} cannot be read: {error.strerror}", "see docs/vectors.md") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UsageProblem("vectors", f"{path}: {where}: {first['msg']}", "see docs/vectors.md") from None


def as_json(file: BaseModel) -> str:
    """The text of a file, a line per part."""
    return json.dumps(file.model_dump(mode="json"), indent=1) + "\n"


def shift_name(site: Site) -> str:
    """`shift@3` of a block's output, `shift@mlp_out@3` inside the block."""
    return f"{SHIFT}{site.layer}" if site.stream == "resid_post" else f"{SHIFT}{site}"


def value_names(vector: Vector) -> Iterator[str]:
    """The names of the tensors that answer a vector."""
    for number, call in enumerate(vector.calls):
        own = [*dict.fromkeys(call.sites)] if isinstance(call, ReadCall) else [*call.tolerances]
        own += [TOKENS] * isinstance(call, GenerateCall)
        yield from (f"{vector.name}/{number}/{value}" for value in own)
