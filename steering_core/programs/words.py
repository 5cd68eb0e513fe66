"""Programs in words."""

from collections.abc import Sequence

from steering_core.programs.program import Call, Generate, Program, Prompts, Range, Read, Step, Vector

PATTERNS = {
    "equal": "",
    "uneven": " of uneven lengths",
    "repeated": " of uneven lengths, each twice",
    "special": " with special tokens inside",
    "chat": " to a chat model",
}

DEFAULTS = {
    "plain": "",
    "sampling": "; the checkpoint's generation config has sampling and penalties",
    "early ends": "; rows end early",
}


def describe_program(program: Program) -> str:
    """`read resid_post@3 of 1 prompt of 2 tokens; then generate ...`."""
    several = len({call.object for call in program.calls}) > 1
    calls = "; then ".join(describe_call(call, several=several) for call in program.calls)
    return calls + DEFAULTS[program.defaults]


def describe_call(call: Call, *, several: bool = False) -> str:
    """One call; several: whether the program uses two tool objects."""
    who = f" on tool object {call.object + 1}" if several else ""
    if isinstance(call, Read):
        return f"read {', '.join(call.sites)} of {describe_prompts(call.prompts)}{who}"
    fed = "" if call.cache else ", without cache"
    fed += f", prompt in chunks of {call.chunk}" if call.chunk else ""
    tokens = f"{call.new_tokens} {'token' if call.new_tokens == 1 else 'tokens'}"
    return f"generate {tokens} from {describe_prompts(call.prompts)} with {describe_steps(call.steps)}{fed}{who}"


def describe_prompts(prompts: Prompts) -> str:
    """`17 prompts of up to 24 tokens of uneven lengths, right padding`."""
    number = f"{prompts.count} prompt{'s' if prompts.count > 1 else ''}"
    tokens = f"{prompts.longest} token{'s' if prompts.longest > 1 else ''}"
    upto = "up to " if prompts.count > 1 and prompts.pattern != "equal" else ""
    length = "" if prompts.pattern == "chat" else f" of {upto}{tokens}"
    padded = ", right padding" if prompts.side == "right" and prompts.count > 1 else ""
    return f"{number}{length}{PATTERNS[prompts.pattern]}{padded}"


def describe_steps(steps: Sequence[Step]) -> str:
    """`[ablate v1 @3, add -2 v2 @3 in decode]`."""
    return f"[{', '.join(map(describe_step, steps))}]" if steps else "no edits"


def describe_step(step: Step) -> str:
    """`add -2 v7 @3 in prefill (norm 60, float16)`; inside a block `add -2 v7 attn_out@3`."""
    constant = step.action in {"ablate", "set"}
    times = "" if constant or (step.action == "add" and step.coefficient == 1) else f"{step.coefficient:g} "
    what = times if step.action == "scale" else f"{times}v{step.vector.seed} "
    around = f" from v{step.reference.seed}" if step.action == "affine" else ""
    phase = "" if step.phase == "both" else f" in {step.phase}"
    where = _range("positions", step.positions) + _range("features", step.features)
    details = [] if step.action == "scale" else _details(step.vector)
    own = f" ({', '.join(details)})" if details else ""
    stream = "" if step.stream == "resid_post" else step.stream
    return f"{step.action} {what}{stream}@{step.block}{around}{phase}{where}{own}"


def _details(vector: Vector) -> list[str]:
    return [f"norm {vector.norm:g}"] * (vector.norm != 1) + [vector.dtype] * (vector.dtype != "float32")


def _range(name: str, given: Range | None) -> str:
    """` at positions 1:3`, as a Python slice."""
    return "" if given is None else f" at {name} {given.start}:{'' if given.stop is None else given.stop}"


def count_calls(programs: Sequence[Program]) -> dict[str, int]:
    """How many calls of each kind the programs make."""
    calls = [call for program in programs for call in program.calls]
    generations = sum(isinstance(call, Generate) for call in calls)
    return {"reads": len(calls) - generations, "generations": generations}
