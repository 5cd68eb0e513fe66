"""A program as data: a list of calls on one or two objects of a tool's class, as JSON that a person can read and edit."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steering_core.errors import UsageProblem
from steering_core.tools.actions import Mode

Pattern = Literal["equal", "uneven", "repeated", "special", "chat"]
"""How the prompts of a batch are made: equally long; of very uneven lengths; uneven, each twice; uneven, with special
tokens inside; or questions to a chat model."""
Side = Literal["left", "right"]
Phase = Literal["both", "prefill", "decode"]
DType = Literal["float32", "bfloat16", "float16"]
KINDS = {"reading": "P13", "steering": "S9"}
"""Kind of a program -> the clause that it belongs to."""
Stream = Literal["resid_post", "attn_out", "mlp_out", "attn_contrib", "mlp_contrib"]
"""What can be edited: a block's output, and the streams inside the block."""
Number = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1, le=256)]


class Part(BaseModel):
    """A part of a program: nothing unknown in it, and never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Prompts(Part):
    """A batch of `count` prompts, the longest of `longest` tokens (but for "chat"), made from a seed."""

    count: Count = 1
    longest: Count = 2
    pattern: Pattern = "equal"
    side: Side = "left"
    seed: Number = 0


class Vector(Part):
    """N(0, I) from a seed, scaled to a norm in float64, then rounded to a dtype."""

    seed: Number = 0
    norm: Annotated[float, Field(gt=0, le=1e4)] = 1.0
    dtype: DType = "float32"


class Range(Part):
    """Positions or features from `start` to before `stop`; negative numbers count from the end, as in `tools.edits.Span`."""

    start: Annotated[int, Field(ge=-256, le=256)] = 0
    stop: Annotated[int, Field(ge=-256, le=256)] | None = None


class Step(Part):
    """One edit, as in `tools.edits`: vector, coefficient and reference are those of the action's class, which may have no
    use for them."""

    action: Mode = "add"
    stream: Stream = "resid_post"
    block: Number = 0
    vector: Vector = Vector()
    coefficient: Annotated[float, Field(ge=-1e4, le=1e4)] = 1.0
    phase: Phase = "both"
    reference: Vector = Vector()
    positions: Range | None = None
    features: Range | None = None


class Read(Part):
    """A read of sites, such as "resid_post@3", asked for together in this order. object: which of the two tool objects."""

    call: Literal["read"] = "read"
    prompts: Prompts = Prompts()
    sites: tuple[str, ...] = ("resid_post@0",)
    object: Literal[0, 1] = 0


class Generate(Part):
    """A steered generation. chunk: tokens per chunk of the prompt, 0 for the whole."""

    call: Literal["generate"] = "generate"
    prompts: Prompts = Prompts()
    steps: tuple[Step, ...] = ()
    new_tokens: Count = 1
    cache: bool = True
    chunk: Annotated[int, Field(ge=0, le=256)] = 0
    object: Literal[0, 1] = 0


Call = Annotated[Read | Generate, Field(discriminator="call")]


class Program(Part):
    """Calls in their order; the tool's objects are new at the start. defaults: the checkpoint's generation config: its own;
    with sampling and penalties; or with one more end token, so that rows end early."""

    calls: Annotated[tuple[Call, ...], Field(min_length=1, max_length=32)]
    defaults: Literal["plain", "sampling", "early ends"] = "plain"

    def to_json(self) -> str:
        """The text that `from_json` reads."""
        return self.model_dump_json(indent=1) + "\n"

    @property
    def kind(self) -> str:
        """One of `KINDS`, by its last call, which is the one that all others lead up to."""
        return "reading" if isinstance(self.calls[-1], Read) else "steering"


def from_json(text: str | bytes, name: str = "the program") -> Program:
    """A program; UsageProblem for anything else."""
    try:
        return Program.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        sentence = f"{name} is not a program: {where}: {first['msg']}"
        raise UsageProblem("program", sentence, "see fixtures/programs/ for programs") from None


def read_programs(folder: Path) -> dict[str, Program]:
    """The programs below a folder by file name, in order of their paths; UsageProblem for a file that is none."""
    return {path.name: from_json(path.read_bytes(), path.name) for path in sorted(folder.rglob("*.json"))}
