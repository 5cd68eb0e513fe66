"""Drawn programs: the same ones in every process, within what a tool offers, and of every kind."""

import gc
import json
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest

from steering_core.places import ROOT
from steering_core.programs.drawing import draw, reading_programs, shrink, steering_programs
from steering_core.programs.offered import Offered
from steering_core.programs.program import Generate, Program, Range, Read, Step, Stream, Vector

EVERYTHING = Offered(
    tuple(f"{stream}@{layer}" for layer in range(4) for stream in ("resid_pre", "resid_post")), *[tuple(range(4))] * 2
)
MODES = ("set", "scale", "interpolate", "affine")
NEWER = replace(
    EVERYTHING,
    others=tuple((mode, tuple(range(4))) for mode in MODES),  # type: ignore[misc]
    position_ranges=True,
    feature_ranges=True,
)
STREAMS: tuple[Stream, ...] = ("attn_out", "mlp_out")
INSIDE = replace(
    NEWER,
    inside=tuple((mode, stream, tuple(range(4))) for mode in ("add", "ablate", *MODES) for stream in STREAMS),  # type: ignore[misc]
)
ONLY_INSIDE = Offered(inside=(("add", "mlp_out", (2,)), ("scale", "attn_out", (1,))))
ONE_MODE = Offered(others=(("affine", (1,)),), feature_ranges=True)
LITTLE = Offered(("resid_post@1",), (2,), (), ("prefill",), no_cache=False, chunks=False)
DRAW = f"""
from hashlib import sha256
from steering_core.programs.drawing import draw, steering_programs
from steering_core.programs.offered import Offered
print(sha256(repr(draw(steering_programs({EVERYTHING!r}), 40, 7)).encode()).hexdigest())
"""


def generations(programs: list[Program]) -> list[Generate]:
    return [call for program in programs for call in program.calls if isinstance(call, Generate)]


def reads(programs: list[Program]) -> list[Read]:
    return [call for program in programs for call in program.calls if isinstance(call, Read)]


def test_a_seed_gives_the_same_programs_in_every_process(tmp_path: Path) -> None:
    here = sha256(repr(draw(steering_programs(EVERYTHING), 40, 7)).encode()).hexdigest()
    command = [sys.executable, "-c", DRAW]
    there = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}
    )

    assert there.stdout.strip() == here
    assert list(tmp_path.iterdir()) == []  # Hypothesis leaves no folder behind
    assert draw(steering_programs(EVERYTHING), 40, 8) != draw(steering_programs(EVERYTHING), 40, 7)


@pytest.mark.parametrize(("offered", "digest"), [(EVERYTHING, "df1c20c643e2e70f"), (NEWER, "2aaefb3f76fd3acd")])
def test_newer_edits_do_not_change_what_an_older_tool_is_asked(offered: Offered, digest: str) -> None:
    programs = draw(steering_programs(offered), 60, 7)

    texts = [json.dumps(program.model_dump(mode="json", exclude_defaults=True)) for program in programs]
    assert sha256("\n".join(texts).encode()).hexdigest()[:16] == digest


@pytest.mark.parametrize("strategy", [reading_programs, steering_programs])
def test_nothing_is_drawn_that_a_tool_does_not_offer(strategy: object) -> None:
    programs = draw(strategy(LITTLE), 100, 0)  # type: ignore[operator]

    assert len(programs) > 50
    assert all(LITTLE.allows(program) for program in programs)
    assert not all(LITTLE.allows(program) for program in draw(strategy(EVERYTHING), 100, 0))  # type: ignore[operator]


def test_reading_programs_ask_everything() -> None:
    programs = draw(reading_programs(EVERYTHING), 120, 0)
    calls = reads(programs)

    assert all(program.kind == "reading" for program in programs)
    assert {call.prompts.count for call in calls} == {1, 2, 3, 17, 33}
    assert {call.prompts.pattern for call in calls} == {"equal", "uneven", "repeated", "special", "chat"}
    assert {call.prompts.side for call in calls} == {"left", "right"}
    assert {1, 40} <= {call.prompts.longest for call in calls}
    assert {site for call in calls for site in call.sites} == set(EVERYTHING.sites)
    assert any(len(set(call.sites)) < len(call.sites) for call in calls)
    assert any(list(call.sites) != sorted(call.sites, key=EVERYTHING.sites.index) for call in calls)
    assert generations(programs)
    assert any(same_shape_twice(program) for program in programs)


def same_shape_twice(program: Program) -> bool:
    pairs = [(a.prompts, b.prompts) for a, b in pairwise(program.calls)]
    return any(a != b and a.model_copy(update={"seed": b.seed}) == b for a, b in pairs)


def test_steering_programs_ask_everything() -> None:
    programs = draw(steering_programs(EVERYTHING), 120, 0)
    calls = generations(programs)
    steps = [step for call in calls for step in call.steps]

    assert all(program.kind == "steering" for program in programs)
    assert {len(call.steps) for call in calls} == {0, 1, 2, 3, 4, 6}
    assert {step.phase for step in steps} == {"both", "prefill", "decode"}
    assert {step.vector.dtype for step in steps} == {"float32", "bfloat16", "float16"}
    assert {-1.0, 0.0, -0.001, 30.0} <= {step.coefficient for step in steps}
    assert {1.0, 0.25, 60.0} <= {step.vector.norm for step in steps}
    assert {step.block for step in steps} == {0, 1, 2, 3}
    assert {(call.cache, bool(call.chunk)) for call in calls} == {(True, True), (True, False), (False, False)}
    several = [program for seed in range(5) for program in draw(steering_programs(EVERYTHING), 60, seed)]
    assert {1, 12, 40} <= {call.new_tokens for call in generations(several)}
    assert {program.defaults for program in programs} == {"plain", "sampling", "early ends"}
    assert any(mixed_at_one_block(call) for call in calls)
    assert any({call.object for call in program.calls if isinstance(call, Generate)} == {0, 1} for program in programs)
    assert any(other_vectors_again(program) for program in programs)


def test_steering_programs_ask_newer_modes_too() -> None:
    programs = draw(steering_programs(NEWER), 120, 0)
    steps = [step for call in generations(programs) for step in call.steps]

    assert {step.action for step in steps} == {"add", "ablate", *MODES}
    assert {step.coefficient for step in steps if step.action == "interpolate"} >= {0.0, 0.25, 0.5, 1.0, 1.5}
    assert any(step.reference != Vector() for step in steps if step.action == "affine")
    assert all(step.reference == Vector() for step in steps if step.action != "affine")
    for drawn in ({step.positions for step in steps}, {step.features for step in steps}):
        bounds = {(span.start, span.stop) for span in drawn if span}
        assert {(0, 1), (1, None)} <= bounds
        assert any(start < 0 for start, _ in bounds)
        assert None in drawn
    assert any(len({step.action for step in call.steps if step.block == 0}) > 2 for call in generations(programs))


def test_steering_programs_ask_for_edits_inside_blocks_too() -> None:
    calls = generations(draw(steering_programs(INSIDE), 150, 0))
    steps = [step for call in calls for step in call.steps]
    inner = [step for step in steps if step.stream != "resid_post"]

    assert {(step.action, step.stream) for step in inner} == {
        (mode, stream) for mode in ("add", "ablate", *MODES) for stream in STREAMS
    }
    assert {step.block for step in inner} == {0, 1, 2, 3}
    assert any(step.positions for step in inner)
    assert any(step.features for step in inner)
    assert 0.2 < len(inner) / len(steps) < 0.5
    sets = [{(step.block, step.stream) for step in call.steps} for call in calls if len(call.steps) > 1]
    assert any(len(sites) == 1 and sites.isdisjoint({(n, "resid_post") for n in range(4)}) for sites in sets)
    assert any({stream for block, stream in sites if block == 0} == {"resid_post", *STREAMS} for sites in sets)


def test_nothing_is_drawn_inside_blocks_that_a_tool_does_not_offer() -> None:
    programs = draw(steering_programs(ONLY_INSIDE), 60, 0)
    steps = [step for call in generations(programs) for step in call.steps]

    assert {(step.action, step.stream, step.block) for step in steps} == {
        ("add", "mlp_out", 2),
        ("scale", "attn_out", 1),
    }
    assert ONLY_INSIDE.steers
    assert all(ONLY_INSIDE.allows(program) for program in programs)
    assert not NEWER.allows(Program(calls=(Generate(steps=(Step(stream="mlp_out"),)),)))
    assert not ONLY_INSIDE.allows(Program(calls=(Generate(steps=(Step(block=2),)),)))


def test_only_the_newer_modes_that_a_tool_offers_are_asked() -> None:
    programs = draw(steering_programs(ONE_MODE), 60, 0)
    steps = [step for call in generations(programs) for step in call.steps]

    assert {(step.action, step.block, step.positions) for step in steps} == {("affine", 1, None)}
    assert any(step.features for step in steps)
    assert all(ONE_MODE.allows(program) for program in programs)
    assert not all(ONE_MODE.allows(program) for program in draw(steering_programs(NEWER), 20, 0))
    assert not EVERYTHING.allows(Program(calls=(Generate(steps=(Step(positions=Range()),)),)))


def mixed_at_one_block(call: Generate) -> bool:
    blocks = {step.block for step in call.steps}
    return any({step.action for step in call.steps if step.block == block} == {"add", "ablate"} for block in blocks)


def other_vectors_again(program: Program) -> bool:
    """The same edits with other vectors, on the same object."""
    calls = generations([program])
    return any(
        a.object == b.object
        and a.steps != b.steps
        and [step.model_copy(update={"vector": b.steps[0].vector}) for step in a.steps]
        == [step.model_copy(update={"vector": b.steps[0].vector}) for step in b.steps]
        for a, b in pairwise(calls)
        if a.steps and b.steps
    )


def test_a_failing_program_is_shrunk() -> None:
    def fails(program: Program) -> bool:
        return any(
            step.coefficient < 0 and call.prompts.count > 2 for call in generations([program]) for step in call.steps
        )

    smallest = shrink(steering_programs(EVERYTHING), 120, 0, fails, tries=200)

    assert smallest is not None
    (step,) = generations([smallest])[-1].steps
    assert step.coefficient < 0
    assert generations([smallest])[-1].prompts.count == 3
    assert len(generations([smallest])) == len(smallest.calls) <= 2


def test_nothing_is_shrunk_if_nothing_fails() -> None:
    assert shrink(reading_programs(EVERYTHING), 20, 0, lambda program: False, tries=5) is None


def test_few_programs_are_tried_to_shrink_one() -> None:
    tried: list[Program] = []

    def fails(program: Program) -> bool:
        tried.append(program)
        return True

    assert shrink(steering_programs(EVERYTHING), 5, 0, fails, tries=3) is not None
    assert len(tried) == 1 + 3


def test_drawing_leaves_no_callback_of_the_garbage_collector() -> None:
    before = gc.callbacks[:]

    draw(reading_programs(EVERYTHING), 5, 0)

    assert gc.callbacks == before
