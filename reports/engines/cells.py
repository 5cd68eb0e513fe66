"""One result file of interp-engine's validator: an engine's captures of one checkpoint, compared with a reference engine.

The format is theirs (github.com/decoderesearch/interp-engine, `validator/comparison`, Apache-2.0); fields that no rule
reads are passed over.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from steering_core.records.thresholds import COSINE_ROUNDING

Error = Annotated[float, Field(ge=0)]
Cosine = Annotated[float, Field(ge=-1 - 1e3 * COSINE_ROUNDING, le=1 + 1e3 * COSINE_ROUNDING)]
Text = Annotated[str, Field(max_length=2000)]
DTYPES = ("float32", "bfloat16", "float16")


class Part(BaseModel):
    """A part of a file; unknown fields are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Bug(Part):
    """A bug that they traced and reported. url: where."""

    url: Text
    title: Text


class Cell(Part):
    """One tensor. cos: mean over tokens; cos_worst_token: the smallest; rel_diff: |difference| / |reference|, both norms
    over the whole tensor. mismatch: why nothing was compared. waived: why a smaller cosine passes there."""

    point: Text
    layer: int | None
    status: Text
    cos: Cosine | None = None
    cos_worst_token: Cosine | None = None
    rel_diff: Error | None = None
    engine_bug: Bug | None = None
    mismatch: Text | None = None
    waived: Any = None
    shape_eng: Any = None
    shape_ref: Any = None


class Known(Bug):
    """A bug of the whole file. points: which captures it is about; all, if there are none."""

    points: list[Text] = []


class ReferenceStatus(Part):
    """How the reference ran."""

    dtype: Text = ""


class Run(Part):
    """How the engine ran."""

    reference_status: ReferenceStatus = ReferenceStatus()


class EngineFile(Part):
    """An engine on a checkpoint. points: cells by name, such as `mlp_out.3`."""

    engine: Text
    hf_id: Text
    reference: Text | None
    dtype: Text
    status: Text
    verdict: Text
    known_bug: Known | None = None
    points: dict[str, Cell]
    run: Run = Run()

    @property
    def is_reference(self) -> bool:
        """Whether nothing is compared in it: the file of the reference itself."""
        return self.engine == self.reference

    @property
    def coarser(self) -> Literal["float32", "bfloat16", "float16"]:
        """The coarser of the two dtypes; bfloat16 where neither is known."""
        named = {self.dtype, self.run.reference_status.dtype} & set(DTYPES)
        order: tuple[Literal["bfloat16", "float16", "float32"], ...] = ("bfloat16", "float16", "float32")
        return next((dtype for dtype in order if dtype in named), "bfloat16")


def looks_like(fields: dict[str, Any]) -> bool:
    """Whether a JSON object claims to be such a file."""
    return {"engine", "hf_id", "points"} <= fields.keys()
