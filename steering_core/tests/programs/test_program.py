"""A program is JSON that a person can read, and nothing else is taken for one."""

from pathlib import Path

import pytest

from steering_core.errors import UsageProblem
from steering_core.programs.program import Generate, Program, Prompts, Read, Step, from_json, read_programs
from steering_core.programs.words import count_calls, describe_program

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
    ("text", "problem"),
    [
        ("", "the file: Invalid JSON"),
        ("[]", "the file: Input should be an object"),
        ('{"calls": []}', "calls: Tuple should have at least 1 item"),
        ('{"calls": [{"call": "write"}]}', "calls.0: Input tag 'write'"),
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

    assert f"x.json is no program: {problem}" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_folder_of_programs(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(PROGRAM.to_json())
    (tmp_path / "a.json").write_text('{"calls": [{"call": "read"}]}')
    (tmp_path / "notes.txt").write_text("no program")

    assert list(read_programs(tmp_path)) == ["a.json", "b.json"]
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(UsageProblem, match=r"c\.json is no program"):
        read_programs(tmp_path)
