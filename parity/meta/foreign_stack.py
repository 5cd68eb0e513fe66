"""Run by another Python, which has none of the suite's own libraries: what a tool host needs works there.

    python parity/meta/foreign_stack.py FOLDER

Reads FOLDER/job.json and FOLDER/batch.safetensors, writes FOLDER/answer.json and FOLDER/answer.safetensors. All compared
values come from the same process, but for what the blocks received, which the caller compares with its own.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from steering_core.errors import SuiteError
from steering_core.models.model import LoadedModel, LoadRequest
from steering_core.models.registry import read_registry
from steering_core.models.sites import STREAMS, Site
from steering_core.models.tokens import TokenBatch, encode
from steering_core.observe.forward_trace import block_inputs
from steering_core.observe.liveness import count_library_calls
from steering_core.observe.model_state import state_changes, state_of
from steering_core.observe.shifts import observe_generation
from steering_core.observe.user_state import with_user_state
from steering_core.places import REGISTRY
from steering_core.tools.edits import Ablate, Add, Edit
from steering_core.tools.spec import ToolSpec
from steering_core.tools.tool import Tool

NEW_TOKENS = 6
CHUNK = 7
BLOCK = 4
LIBRARIES = ("torch", "transformers", "numpy")


def main(folder: Path) -> None:
    """Do the job."""
    job = json.loads((folder / "job.json").read_text())
    spec = replace(read_registry(REGISTRY)[job["model"]], source=job["source"])
    try:
        model = LoadRequest(spec, job["source"], "float32").load()
    except SuiteError as problem:
        (folder / "answer.json").write_text(json.dumps({"problem": str(problem)}))
        return
    ids, mask = (load_file(folder / "batch.safetensors")[name] for name in ("ids", "mask"))
    batch = TokenBatch(ids, mask, torch.full((len(ids),), ids.shape[1] - 1), "left")
    received = block_inputs(model, batch.inputs())
    answer = {
        "versions": {name: version(name) for name in LIBRARIES},
        "ids": encode(model.tokenizer, job["prompts"]).ids.tolist(),
        "unwanted": sorted({"pydantic", "scipy", "pytest"} & {name.partition(".")[0] for name in project_modules()}),
        **measured(ToolSpec.parse(job["tool"]).construct(), model, batch),
    }
    save_file({str(boundary): hidden for boundary, hidden in received.items()}, folder / "answer.safetensors")
    (folder / "answer.json").write_text(json.dumps(answer))


def project_modules() -> set[str]:
    """What the project's own loaded modules hold of other libraries."""
    ours = [module for name, module in sys.modules.items() if name.startswith("steering_core")]
    values = [value for module in ours for value in vars(module).values()]
    return {str(getattr(value, "__module__", None) or getattr(value, "__name__", "")) for value in values}


def measured(tool: Tool, model: LoadedModel, batch: TokenBatch) -> dict[str, Any]:
    """What the tool reads and steers, compared with plain hooks and with an independent trace."""
    hooks = ToolSpec.parse("hooks").construct()
    reading = {stream: attempt(lambda stream=stream: gap(tool, hooks, model, batch, stream)) for stream in STREAMS}
    fed = {"cache": model, "no-cache": replace(model, use_cache=False), "chunked": replace(model, prefill_chunk=CHUNK)}
    steering = {
        name: attempt(lambda fed=fed: steered(tool, hooks, fed, batch, adds(model))) for name, fed in fed.items()
    }
    edits = {
        "prefill": [replace(edit, phase="prefill") for edit in adds(model)],
        "twice": adds(model) + adds(model)[:1],
        "ablate": [Ablate(Site("resid_post", BLOCK), vector(model))],
        "none": [],
    }
    steering |= {
        name: attempt(lambda given=given: steered(tool, hooks, model, batch, given)) for name, given in edits.items()
    }
    calls = count_library_calls(tool, lambda: tool.generate(model, batch, adds(model), 2))
    left = changes(model, batch, lambda: tool.generate(model, batch, adds(model), 2))
    left |= changes(model, batch, lambda: attempt(lambda: tool.read(model, batch, [Site("resid_post", BLOCK)])))
    offers = {action: offered(tool, model, action) for action in ("read", "add", "ablate")}
    return {"read": reading, "steer": steering, "calls": calls, "left": left, "offers": offers}


def offered(tool: Any, model: LoadedModel, action: str) -> list[str]:
    """The streams that the tool says it can do the action at; the suite's own tools offer all of them."""
    if type(tool).__module__.startswith("steering_core.tools.adapters"):
        return list(STREAMS)
    return [stream for stream in STREAMS if tool.supports(model.spec, Site(stream, BLOCK), action) is None]


def attempt(action: Callable[[], Any]) -> Any:
    """Its answer, or the sentence of the problem that it raises."""
    try:
        return action()
    except SuiteError as problem:
        return problem.sentence


def gap(tool: Tool, hooks: Tool, model: LoadedModel, batch: TokenBatch, stream: str) -> float:
    """The largest difference between the tool's value and that of plain hooks, of one stream at two blocks."""
    sites = [Site(stream, BLOCK)] if stream == "final_norm" else [Site(stream, 0), Site(stream, model.spec.layers - 1)]
    ours, theirs = tool.read(model, batch, sites), hooks.read(model, batch, sites)
    return max(float((ours[site] - theirs[site]).abs().max()) for site in sites)


def steered(tool: Tool, hooks: Tool, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit]) -> dict[str, Any]:
    """Where the stream did not move as requested, and whether the tokens are those of plain hooks."""
    observed = observe_generation(tool, model, batch, edits, NEW_TOKENS)
    expected = hooks.generate(model, batch, edits, NEW_TOKENS)
    answer = {"wrong": observed.describe(), "moved": observed.moved, "calls": observed.calls}
    return {**answer, "same": observed.ids.equal(expected), "ids": observed.ids.tolist()}


def vector(model: LoadedModel) -> torch.Tensor:
    """A fixed unit vector, [hidden]; no generator is needed, whose numbers may change with a release."""
    wave = torch.sin(torch.arange(model.spec.hidden, dtype=torch.float32) ** 2)
    return wave / wave.norm()


def adds(model: LoadedModel) -> list[Edit]:
    """The vector at the model's own strength, from the tested block on."""
    return [Add(Site("resid_post", block), vector(model), 9.3) for block in range(BLOCK, model.spec.layers)]


def changes(model: LoadedModel, batch: TokenBatch, action: Callable[[], Any]) -> dict[str, str]:
    """What the action leaves changed of a model as a user may have it."""
    inputs = {"ids": batch.ids, "mask": batch.mask}
    with with_user_state(model):
        before = state_of(model, inputs)
        action()
        return state_changes(before, state_of(model, inputs))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
