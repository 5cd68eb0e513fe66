"""Draws programs with Hypothesis, from a seed: the same seed and the same offers give the same programs.

Every choice is made from a short list, simplest first, which is also the order in which a failing program is shrunk.
"""

import gc
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider
from hypothesis.internal.constants_ast import Constants
from hypothesis.strategies import SearchStrategy

from steering_core.programs.offered import Offered
from steering_core.programs.program import Generate, Program, Prompts, Range, Read, Step, Vector
from steering_core.tools.actions import Mode

COUNTS = (1, 2, 3, 2, 3, 17, 33)
LONGEST = (2, 1, 3, 5, 9, 24, 40)
PATTERNS = ("equal", "uneven", "repeated", "special", "chat")
NORMS = (1.0, 0.25, 3.0, 12.5, 60.0)
DTYPES = ("float32", "bfloat16", "float16")
COEFFICIENTS = (1.0, 2.0, -1.0, 0.5, -3.0, 7.25, 0.0, -0.001, 30.0)
COEFFICIENTS_OF: dict[Mode, Sequence[float]] = {
    "add": COEFFICIENTS,
    "scale": (2.0, 0.5, -1.0, 0.0, 1.0, 1.25),
    "interpolate": (0.5, 0.25, 1.0, 0.0, -0.5, 1.5),
    "affine": (1.0, 0.0, -1.0, 2.0, 0.5),
}
POSITIONS = (None, None, None, (0, 1), (1, None), (1, 3), (-1, None), (-2, -1), (0, -1), (-3, 2))
FEATURES = (None, None, None, (0, 1), (1, None), (3, 8), (-4, None), (5, -5))
NEW_TOKENS = (2, 1, 3, 2, 3, 4, 2, 3, 6, 12, 2, 40)
UNCACHED, FEW, SHORT = 6, 3, 9
CHUNKS = (0, 0, 0, 3, 7, 16, 1)
DEFAULTS = ("plain", "plain", "sampling", "early ends")
SEEDS = st.integers(0, 99)
CALLS = 3
"""How many calls a program has at most."""
SITES, STEPS = (1, 2, 4, 6), (1, 2, 3, 0, 4, 6)
"""How many sites a read has, and how many edits a generation."""

AFRESH = "steering-programs"
AVAILABLE_PROVIDERS[AFRESH] = AVAILABLE_PROVIDERS["hypothesis"]
"""Hypothesis's own way of drawing under another name: by its own, it would make many examples from earlier ones, which
here repeats what was asked already."""


def prompts() -> SearchStrategy[Prompts]:
    """Batches of one to many prompts, padded on either side."""
    sides = st.sampled_from(("left", "right"))
    built = st.builds(Prompts, count=_of(COUNTS), longest=_of(LONGEST), pattern=_of(PATTERNS), side=sides, seed=SEEDS)
    # Many prompts, or long ones: both at once cost much and ask nothing else.
    return built.map(
        lambda batch: batch.model_copy(update={"longest": min(batch.longest, SHORT if batch.count > FEW else 256)})
    )


def reads(offered: Offered) -> SearchStrategy[Read]:
    """Reads of one to several offered sites in any order, some twice."""
    sites = _several(_of(offered.sites), SITES)
    return st.builds(Read, prompts=prompts(), sites=sites, object=_of((0, 1)))


def steps(offered: Offered) -> SearchStrategy[Step]:
    """One edit that the tool offers."""
    vectors = st.builds(Vector, seed=SEEDS, norm=_of(NORMS), dtype=_of(DTYPES))
    common: dict[str, Any] = {"vector": vectors, "phase": _of(offered.phases)}
    common |= {"positions": _ranges(POSITIONS)} if offered.position_ranges else {}
    common |= {"features": _ranges(FEATURES)} if offered.feature_ranges else {}
    between = [_kind(mode, blocks, vectors) for mode, blocks in offered.blocks.items() if blocks]
    inside = [_kind(mode, blocks, vectors) | {"stream": st.just(stream)} for mode, stream, blocks in offered.inside]
    outer, inner = ([st.builds(Step, **common | kind) for kind in kinds] for kinds in (between, inside))
    if not outer or not inner:
        return st.one_of(outer or inner)
    either = st.one_of(outer), st.one_of(inner)
    return _of((0, 0, 1)).flatmap(lambda number: either[number])


def _kind(mode: Mode, blocks: Sequence[int], vectors: SearchStrategy[Vector]) -> dict[str, Any]:
    """What is drawn for an edit of a mode, besides what all have."""
    drawn: dict[str, Any] = {"action": st.just(mode), "block": _of(blocks)}
    drawn |= {"coefficient": _of(COEFFICIENTS_OF[mode])} if mode in COEFFICIENTS_OF else {}
    drawn |= {"vector": st.just(Vector())} if mode == "scale" else {}
    return drawn | ({"reference": vectors} if mode == "affine" else {})


def _ranges(bounds: Sequence[tuple[int, int | None] | None]) -> SearchStrategy[Range | None]:
    return _of([pair and Range(start=pair[0], stop=pair[1]) for pair in bounds])


def generations(offered: Offered) -> SearchStrategy[Generate]:
    """Generations under 0 to 6 edits; prompts are padded on the left, because the answers follow them."""
    lists = _several(steps(offered), STEPS)
    # Several edits of one block, and of one stream in it, have an order: most lists stay at one.
    crowded, alike = (lists.map(partial(_gathered, names=names)) for names in (("block",), ("block", "stream")))
    same = len({frozenset(blocks) for blocks in offered.editable.values()}) == 1
    modes, streams = ({key[number] for key in offered.editable} for number in (0, 1))
    rectangle = bool(offered.inside) and len(offered.editable) == len(modes) * len(streams)
    feeding = {"cache": _of((True, True, False) if offered.no_cache else (True,))}
    feeding["chunk"] = _of(CHUNKS if offered.chunks else (0,))
    batches = prompts().map(lambda batch: batch.model_copy(update={"side": "left"}))
    built = st.builds(
        Generate,
        prompts=batches,
        steps=st.one_of(lists, crowded, *[alike] * rectangle) if same else lists,
        new_tokens=_of(NEW_TOKENS),
        object=_of((0, 1)),
        **feeding,
    )
    return built.map(affordable)


def _gathered(edits: Sequence[Step], names: Sequence[str]) -> tuple[Step, ...]:
    """The edits with these fields of the first."""
    return tuple(edit.model_copy(update={name: getattr(edits[0], name) for name in names}) for edit in edits)


def affordable(call: Generate) -> Generate:
    """Without a cache every forward carries the whole prompt and answer: not in chunks, and not for long; nor do many
    prompts get long answers."""
    most = 256 if call.prompts.count <= FEW else SHORT
    if call.cache:
        return call.model_copy(update={"new_tokens": min(call.new_tokens, most)})
    return call.model_copy(update={"chunk": 0, "new_tokens": min(call.new_tokens, UNCACHED)})


def reading_programs(offered: Offered) -> SearchStrategy[Program]:
    """Reads, with a generation in between where the tool steers too."""
    calls = [reads(offered), reads(offered), *([generations(offered)] if offered.steers else [])]
    last = st.tuples(st.lists(st.one_of(calls), max_size=CALLS - 1), reads(offered))
    calls_of = st.one_of(last.map(lambda parts: (*parts[0], parts[1])), reads(offered).map(again))
    return st.builds(Program, calls=calls_of)


def steering_programs(offered: Offered) -> SearchStrategy[Program]:
    """Generations, with a read in between where the tool reads too."""
    others = [generations(offered), *([reads(offered)] if offered.sites else [])]
    last = st.tuples(st.lists(st.one_of(others), max_size=CALLS - 2), generations(offered))
    random = last.map(lambda parts: (*parts[0], parts[1]))
    calls = st.one_of(random, random, generations(offered).map(again))
    return st.builds(Program, calls=calls, defaults=_of(DEFAULTS))


def again(call: Read | Generate) -> tuple[Read | Generate, ...]:
    """The same call twice on one object, the second time with other prompts of the same shape and other vectors: what a
    tool keeps from the first must not show."""
    second: dict[str, Any] = {"prompts": call.prompts.model_copy(update={"seed": call.prompts.seed + 1})}
    if isinstance(call, Generate):
        second["steps"] = tuple(map(_with_next_vectors, call.steps))
    return call, call.model_copy(update=second)


def _with_next_vectors(step: Step) -> Step:
    reference = _next(step.reference) if step.action == "affine" else step.reference
    return step.model_copy(update={"vector": _next(step.vector), "reference": reference})


def _next(vector: Vector) -> Vector:
    return vector.model_copy(update={"seed": vector.seed + 1})


def draw(strategy: SearchStrategy[Program], number: int, first: int) -> list[Program]:
    """`number` different programs, at most; first: the seed."""
    drawn: dict[Program, None] = {}
    if not number:
        return []
    _drive(strategy, number, first, [Phase.generate], lambda program: drawn.setdefault(program))
    return list(drawn)


def shrink(
    strategy: SearchStrategy[Program], number: int, first: int, fails: Callable[[Program], bool], tries: int
) -> Program | None:
    """The smallest program that Hypothesis finds from the first failing one of `draw`; None if none fails.

    fails: asked once per program, and at most `tries` times after the first failing one.
    """
    known: dict[Program, bool] = {}
    smallest: list[Program] = []
    left = tries

    def check(program: Program) -> None:
        nonlocal left
        if program not in known:
            left -= bool(smallest)
            known[program] = left >= 0 and fails(program)
        if known[program]:
            smallest.append(program)
            raise Failing

    with suppress(Failing):
        _drive(strategy, number, first, [Phase.generate, Phase.shrink], check)
    return smallest[-1] if smallest else None


class Failing(Exception):
    """A program failed."""


def _drive(
    strategy: SearchStrategy[Program], number: int, first: int, phases: Sequence[Phase], body: Callable[[Program], Any]
) -> None:
    """Run Hypothesis; the same arguments draw the same programs, as long as the body does not fail."""
    options = settings(
        max_examples=number,
        phases=phases,
        database=None,
        deadline=None,
        suppress_health_check=[*HealthCheck],
        backend=AFRESH,
    )
    run = seed(first)(options(given(strategy)(lambda program: body(program) and None)))
    # Hypothesis also draws constants that it finds in whatever modules are loaded: not the same in every process.
    callbacks = gc.callbacks[:]
    try:
        with patch.object(HypothesisProvider, "_local_constants", Constants()):
            run()
    finally:
        gc.callbacks[:] = callbacks  # it measures garbage collections, and goes on for good


def _of(values: Sequence[Any]) -> SearchStrategy[Any]:
    return st.sampled_from(values)


def _several(one: SearchStrategy[Any], numbers: Sequence[int]) -> SearchStrategy[tuple[Any, ...]]:
    """So many of one kind. The strategies are made here, because making one takes longer than drawing from it."""
    tuples = {number: st.tuples(*[one] * number) for number in numbers}
    return _of(numbers).flatmap(lambda number: tuples[number])
