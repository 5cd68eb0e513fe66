"""A program is JSON that a person can read, and nothing else is taken for one."""

from pathlib import Path
from typing import get_args

import pytest
import torch

from steering_core.errors import UsageProblem
from steering_core.models.sites import Site
from steering_core.observe.expectation import EDITABLE
from steering_core.programs.building import build_vector, edit_of
from steering_core.programs.program import (
    Generate,
    Program,
    Prompts,
    Range,
    Read,
    Step,
    Stream,
    Vector,
    from_json,
    read_programs,
)
from steering_core.programs.words import count_calls, describe_program, describe_step
from steering_core.tools.actions import MODES
from steering_core.tools.edits import Span, tensors_of

PROGRAM = Program(
    calls=(
        Read(sites=("resid_post@3", "k@0"), prompts=Prompts(count=17, longest=24, pattern="uneven", side="right")),
        Generate(
            steps=(Step(action="ablate", block=3), Step(block=3, coefficient=-2.0, phase="decode")),
            new_tokens=2,
            chunk=3,
        ),
    ),
    defaults="early ends",
)


def test_a_program_survives_being_written() -> None:
    assert from_json(PROGRAM.to_json()) == PROGRAM


def test_the_last_call_gives_the_kind() -> None:
    assert PROGRAM.kind == "steering"
    assert PROGRAM.model_copy(update={"calls": PROGRAM.calls[::-1]}).kind == "reading"


def test_a_program_in_words() -> None:
    assert describe_program(PROGRAM) == (
        "read resid_post@3, k@0 of 17 prompts of up to 24 tokens of uneven lengths, right padding; then generate 2 tokens "
        "from 1 prompt of 2 tokens with [ablate v0 @3, add -2 v0 @3 in decode], prompt in chunks of 3; rows end early"
    )
    assert count_calls([PROGRAM, PROGRAM]) == {"reads": 2, "generations": 2}


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Step(action="set", vector=Vector(seed=7)), "set v7 @0"),
        (Step(action="scale", coefficient=-2, positions=Range(start=1, stop=3)), "scale -2 @0 at positions 1:3"),
        (Step(action="interpolate", coefficient=1, block=2), "interpolate 1 v0 @2"),
        (
            Step(action="affine", coefficient=0.5, reference=Vector(seed=4), features=Range(start=-4)),
            "affine 0.5 v0 @0 from v4 at features -4:",
        ),
        (Step(stream="attn_out", block=3, coefficient=-2.0, phase="decode"), "add -2 v0 attn_out@3 in decode"),
        (Step(positions=Range(start=-1), vector=Vector(norm=3)), "add v0 @0 at positions -1: (norm 3)"),
    ],
)
def test_edits_in_words(step: Step, words: str) -> None:
    assert describe_step(step) == words


def test_a_step_inside_a_block_is_an_edit_of_that_stream() -> None:
    inner = Step(action="ablate", stream="mlp_contrib", block=2)

    assert edit_of(inner, 4, torch.device("cpu")).site == Site("mlp_contrib", 2)
    assert get_args(Stream) == EDITABLE


def test_a_program_of_before_the_newer_modes_is_read() -> None:
    old = '{"calls": [{"call": "generate", "steps": [{"action": "ablate", "block": 1, "coefficient": 2.0, "phase": "both"}]}]}'

    (call,) = from_json(old).calls
    assert isinstance(call, Generate)
    assert call.steps == (Step(action="ablate", block=1, coefficient=2.0),)


def test_a_step_is_built_as_the_edit_of_its_action() -> None:
    given = {"block": 1, "coefficient": 0.5, "phase": "decode", "vector": Vector(seed=1), "reference": Vector(seed=2)}
    for action in MODES:
        edit = edit_of(Step(action=action, **given), 4, torch.device("cpu"))  # type: ignore[arg-type]

        assert type(edit).__name__.lower() == action
        assert (edit.site, edit.phase, edit.positions) == (Site("resid_post", 1), "decode", None)
        assert getattr(edit, "coefficient", 0.5) == 0.5
        for name, tensor in tensors_of(edit).items():
            assert tensor.equal(build_vector(Vector(seed=1 if name == "vector" else 2), 4))
    ranged = edit_of(Step(positions=Range(start=-2, stop=-1), features=Range(start=3)), 4, torch.device("cpu"))
    assert (ranged.positions, ranged.features) == (Span(-2, -1), Span(3))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file: Invalid JSON"),
        ("[]", "the file: Input should be an object"),
        ('{"calls": []}', "calls: Tuple should have at least 1 item"),
        ('{"calls": [{"call": "write"}]}', "calls.0: Input tag 'write'"),
        (
            '{"calls": [{"call": "generate", "steps": [{"stream": "k"}]}]}',
            "calls.0.generate.steps.0.stream: Input should",
        ),
        ('{"calls": [{"call": "read", "rows": 3}]}', "calls.0.read.rows: Extra inputs"),
        (
            '{"calls": [{"call": "read", "prompts": {"count": 0}}]}',
            "calls.0.read.prompts.count: Input should be greater",
        ),
        (
            '{"calls": [{"call": "generate", "steps": [{"coefficient": 1e999}]}]}',
            "calls.0.generate.steps.0.coefficient",
        ),
    ],
)
def test_anything_else_is_refused_in_one_line(text: str, problem: str) -> None:
    with pytest.raises(UsageProblem) as refusal:
        from_json(text, "x.json")

    assert f"x.json is not a program: {problem}" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_folder_of_programs(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(PROGRAM.to_json())
    (tmp_path / "a.json").write_text('{"calls": [{"call": "read"}]}')
    (tmp_path / "notes.txt").write_text("no program")

    assert list(read_programs(tmp_path)) == ["a.json", "b.json"]
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(UsageProblem, match=r"c\.json is not a program"):
        read_programs(tmp_path)
