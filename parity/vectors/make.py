"""Vectors from programs: token ids, vectors and masks as tensors, and what every call must give."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from parity.vectors.directions import DIRECTIONS, make_direction
from parity.vectors.expected import Expected, expect_generation, expect_read
from parity.vectors.format import AnyCall, Checkpoint, EditData, GenerateCall, Range, ReadCall, Vector, VectorFile
from steering_core.errors import SuiteError, UsageProblem
from steering_core.measure.reference import end_tokens
from steering_core.models.model import LoadedModel, LoadRequest
from steering_core.models.registry import read_registry
from steering_core.models.tokens import pad_id
from steering_core.places import FIXTURES, PROGRAMS, REGISTRY, ROOT
from steering_core.programs.building import SAMPLING, build_batch, build_vector, last_generation
from steering_core.programs.program import Call, Generate, Program, Read, Step, read_programs
from steering_core.programs.program import Range as ProgramRange
from steering_core.programs.words import describe_program

FROZEN = FIXTURES / "vectors"
OWN = FROZEN / "programs"
SOURCES = {"tiny_qwen2": (OWN, PROGRAMS), "tiny_gemma2": (OWN,)}
"""Model -> the folders of its programs; those of P13 and S9 were found on the first."""
FEW = (
    *("every_stream", "blocks_in_reverse", "long_prompt", "chat_left_padding", "chat_right_padding"),
    *("read_after_steering", "add_from_one_block_on", "ablate_blocks", "ablate_long_vector", "affine", "positions"),
    *("features", "prefill_only", "decode_only", "early_ends", "without_cache", "in_chunks"),
    *("add_inside", "modes_inside", "modes_of_contributions", "inside_and_after", "inside_without_cache"),
)
"""The programs of every model but the first: what another family could change."""
LOGIT_IDS = 16


@dataclass(eq=False)
class Maker:
    """Makes the vectors of one model. values: every tensor of the file, by name."""

    model: LoadedModel
    values: dict[str, Tensor] = field(default_factory=dict)

    @property
    def logit_ids(self) -> Tensor:
        """int64 [ids], spread over the vocabulary."""
        return torch.arange(LOGIT_IDS) * (self.model.spec.vocab // LOGIT_IDS)

    def vector(self, name: str, program: Program) -> Vector:
        """One vector; its tensors are kept."""
        defaults = self._defaults(program)
        calls: list[AnyCall] = [
            self._call(f"{name}/{number}", call, defaults) for number, call in enumerate(program.calls)
        ]
        return Vector(name=name, text=describe_program(program), generation_config=defaults, calls=calls)

    def _call(self, name: str, call: Call, defaults: Mapping[str, object]) -> ReadCall | GenerateCall:
        batch = build_batch(self.model, call.prompts)
        self.values |= {f"{name}/input_ids": batch.ids, f"{name}/attention_mask": batch.mask}
        if isinstance(call, Read):
            expected = self._keep(name, expect_read(self.model, batch, call))
            return ReadCall(
                call="read",
                instance=call.object,
                padding_side=call.prompts.side,
                sites=list(call.sites),
                tolerances=expected,
            )
        for number, step in enumerate(call.steps):
            self._keep_vectors(f"{name}/edit{number}", step)
        expected = self._keep(name, expect_generation(self.model, batch, call, defaults, self.logit_ids))
        return GenerateCall(
            call="generate",
            instance=call.object,
            padding_side="left",
            edits=[edit_data(step) for step in call.steps],
            max_new_tokens=call.new_tokens,
            use_cache=call.cache,
            prefill_chunk=call.chunk,
            tolerances=expected,
        )

    def _keep(self, name: str, expected: Expected) -> dict[str, float]:
        self.values |= {f"{name}/{value}": tensor.contiguous() for value, tensor in expected.values.items()}
        return expected.tolerances

    def _keep_vectors(self, name: str, step: Step) -> None:
        hidden = self.model.spec.hidden
        if step.action != "scale":
            self.values[f"{name}/vector"] = build_vector(step.vector, hidden)
        if step.action == "affine":
            self.values[f"{name}/reference"] = build_vector(step.reference, hidden)

    def _defaults(self, program: Program) -> dict[str, object]:
        """What the checkpoint's generation config says: with early ends, the second token of the last call's first answer
        is an end token too."""
        call = last_generation(program)
        if program.defaults == "sampling":
            return dict(SAMPLING)
        if program.defaults == "plain" or call is None:
            return {}
        batch = build_batch(self.model, call.prompts)
        answers = expect_generation(self.model, batch, call, {}, self.logit_ids).values["tokens"]
        ends = end_tokens(self.model.decoding(1), answers.device).tolist()
        return {"eos_token_id": [*ends, int(answers[0, min(1, answers.shape[1] - 1)])]}


def edit_data(step: Step) -> EditData:
    """An edit as the file states it."""
    return EditData(
        action=step.action,
        stream=step.stream,
        block=step.block,
        coefficient=step.coefficient,
        phase=step.phase,
        positions=_range(step.positions),
        features=_range(step.features),
    )


def _range(given: ProgramRange | None) -> Range | None:
    return None if given is None else Range(start=given.start, stop=given.stop)


def programs_of(key: str) -> Iterator[tuple[str, Program]]:
    """(name, program) of a model's vectors; generations are padded on the left, where every engine can continue them."""
    if key not in SOURCES:
        raise UsageProblem("vectors", f"there are no vectors of {key}", f"known: {', '.join(SOURCES)}")
    for folder in SOURCES[key]:
        for file, program in read_programs(folder).items():
            name = file.removesuffix(".json")
            if key != next(iter(SOURCES)) and name not in FEW:
                continue
            calls = tuple(_left(call) if isinstance(call, Generate) else call for call in program.calls)
            yield name, program.model_copy(update={"calls": calls})


def _left(call: Generate) -> Generate:
    return call.model_copy(update={"prompts": call.prompts.model_copy(update={"side": "left"})})


def load(key: str) -> LoadedModel:
    """A tiny model, in float32 on the CPU."""
    spec = read_registry(REGISTRY)[key]
    return LoadRequest(spec, str(ROOT / spec.source), "float32").load()


def make(key: str) -> tuple[VectorFile, dict[str, Tensor]]:
    """The vectors of a model and their tensors; SuiteError names a program that rounding could decide."""
    maker, vectors = Maker(load(key)), []
    for name, program in programs_of(key):
        try:
            vectors.append(maker.vector(name, program))
        except SuiteError as problem:
            raise UsageProblem("vectors", f"{name}: {problem.sentence}", problem.hint) from None
    for name, classes in DIRECTIONS.items():
        vector, values = make_direction(name, maker.model, classes)
        vectors.append(vector)
        maker.values |= values
    file = VectorFile(
        format="steering-parity vectors",
        version=1,
        checkpoint=describe_checkpoint(maker.model),
        logit_ids=maker.logit_ids.tolist(),
        vectors=vectors,
    )
    return file, maker.values


def describe_checkpoint(model: LoadedModel) -> Checkpoint:
    """The model that the vectors belong to."""
    spec, weights = model.spec, Path(model.origin) / "model.safetensors"
    return Checkpoint(
        folder=spec.source,
        sha256=sha256(weights.read_bytes()).hexdigest(),
        dtype="float32",
        blocks=spec.layers,
        hidden=spec.hidden,
        vocabulary=spec.vocab,
        padding_id=pad_id(model.tokenizer),
    )
