"""What a run consists of: the models, tools, presets and repeats that the command line asks for."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from parity.plugin.request.unregistered import unregistered_models
from steering_core.errors import UsageProblem
from steering_core.models.registry import ModelSpec, Preset, Settings, pick, read_presets, read_registry, resolve
from steering_core.places import FIXTURES, ROOT
from steering_core.prompts import PromptSet, read_prompts
from steering_core.tools.spec import BUILT_IN, ToolSpec

OTHER_MARKERS = {"clause", "benchmark"}


@dataclass(frozen=True)
class RunMatrix:
    """registry: every known model; selected: keys that this run measures; sources: overridden places of weights."""

    registry: dict[str, ModelSpec]
    selected: tuple[str, ...]
    presets: dict[str, Preset]
    settings: dict[str, Settings]
    tools: tuple[str, ...]
    repeats: int
    protocol_repeats: int
    preset: str
    prompts: PromptSet
    prompts_file: Path
    sources: dict[str, str]


def build_run_matrix(options: Any) -> RunMatrix:
    """Options -> Matrix; UsageProblem is one clear line. Reads TOML and the prompts file, loads nothing."""
    known, adhoc = read_registry(FIXTURES / "models.toml"), unregistered_models(options.model, options)
    if both := sorted(set(known) & set(adhoc)):
        raise UsageProblem(
            "model", f"--model {both[0]} is a registered model", f"-m {both[0]}, with --model-path if need be"
        )
    registry = pinned({**known, **adhoc}, options.revision)
    presets = read_presets(FIXTURES / "presets.toml")
    sources = model_paths(options.model_path, registry)
    positive(options.batch_size, "batch-size")
    if options.preset:
        pick(presets, options.preset, "preset")
    selected = tuple(
        key
        for key, spec in registry.items()
        if key in adhoc or selects(options.markexpr, spec, registry, only_named=bool(adhoc))
    )
    chosen = {key: presets[options.preset or default_preset(registry[key])] for key in selected}
    one_preset(chosen)
    overrides = (options.layer, options.multiplier, options.method)
    settings = {key: resolve(registry[key], preset, *overrides) for key, preset in chosen.items()}
    wanted = {preset.repeats for preset in chosen.values()} or {5}
    prompts_file = Path(options.prompts) if options.prompts else FIXTURES / "prompts" / "default.json"
    return RunMatrix(
        registry, selected, presets, settings, tool_names(options), positive(options.repeats, "repeats") or max(wanted),
        max(wanted), next((preset.name for preset in chosen.values()), "none"),
        read_prompts(prompts_file), prompts_file, sources,
    )  # fmt: skip


def one_preset(chosen: Mapping[str, Preset]) -> None:
    """A run uses one preset throughout; tiny and real models have different defaults."""
    if len(names := sorted({preset.name for preset in chosen.values()})) > 1:
        raise UsageProblem("mixed-presets", f"the models' presets differ: {', '.join(names)}", "name one with --preset")


def default_preset(spec: ModelSpec) -> str:
    """Tiny checkpoints have settings of their own; every other model follows the protocol."""
    return "fixture" if spec.tiny else "phase1"


def tool_names(options: Any) -> tuple[str, ...]:
    """The compared tools, the built-in ones in registry order; the order breaks ties in the verdict."""
    names = tuple(name.strip() for name in options.tools.split(",")) if options.tools else BUILT_IN
    specs = [ToolSpec.parse(name) for name in (*names, *options.tool)]
    labels = [spec.label for spec in specs]
    if len(set(labels)) != len(labels) or not all(labels):
        named = ", ".join(spec.text for spec in specs)
        raise UsageProblem("tools", f"a tool is empty or named twice in {named}", "name each tool once")
    for spec in specs:
        spec.check()
    return tuple(spec.text for spec in specs)


def model_paths(pairs: list[str], registry: Mapping[str, ModelSpec]) -> dict[str, str]:
    """["qwen7b=DIR"] -> {"qwen7b": "DIR"}."""
    found = {}
    for pair in pairs:
        key, sign, folder = pair.partition("=")
        if not sign or not folder:
            raise UsageProblem(
                "model-path", f"--model-path {pair!r} is not KEY=DIR", "for example qwen7b=/models/qwen7b"
            )
        pick(dict(registry), key, "model")
        if not Path(folder).is_dir():
            raise UsageProblem(
                "model-path", f"--model-path {key}: {folder} is not a directory", "a Hugging Face directory"
            )
        found[key] = str(Path(folder).resolve())
    return found


def pinned(registry: dict[str, ModelSpec], pairs: list[str]) -> dict[str, ModelSpec]:
    """The registry with the revisions of ["qwen7b=a09a354"] in place."""
    found = dict(registry)
    for pair in pairs:
        key, sign, revision = pair.partition("=")
        if not sign or not revision:
            raise UsageProblem("revision", f"--revision {pair!r} is not KEY=REV", "for example qwen7b=a09a354")
        spec = pick(found, key, "model")
        if (ROOT / spec.source).is_dir():
            raise UsageProblem("revision", f"--revision {key}: its weights are a directory", "a model of the hub")
        found[key] = replace(spec, revision=revision)
    return found


def positive(value: int | None, what: str) -> int | None:
    """The value if it is None or at least 1."""
    if value is not None and value < 1:
        raise UsageProblem(what, f"--{what} {value} is too small", "1 or more")
    return value


def marks_of(spec: ModelSpec) -> set[str]:
    """The markers that select a model: its key, its family, and `tiny`."""
    return {spec.key, spec.family, *(["tiny"] if spec.tiny else [])}


def selects(expression: str, spec: ModelSpec, registry: Mapping[str, ModelSpec], only_named: bool = False) -> bool:
    """Whether `-m EXPRESSION` asks for this model; an expression that names no model asks for the default ones."""
    known = set().union(*(marks_of(row) for row in registry.values()))
    named = set(re.findall(r"\w+", expression)) - {"and", "or", "not"}
    if unknown := named - known - OTHER_MARKERS:
        raise UsageProblem("unknown-model", f"-m names {min(unknown)!r}", f"known: {', '.join(sorted(known))}")
    if not named & known:
        return spec.default and not only_named
    try:
        return _holds(ast.parse(expression.strip(), mode="eval").body, marks_of(spec), known)
    except (SyntaxError, KeyError):
        raise UsageProblem("markers", f"-m {expression!r} is not understood", "names joined by and, or, not") from None


def _holds(node: ast.AST, marks: set[str], known: set[str]) -> bool:
    """Evaluate and / or / not over marker names; names that are not about models are neutral (true)."""
    match node:
        case ast.BoolOp(op=ast.And()):
            return all(_holds(part, marks, known) for part in node.values)
        case ast.BoolOp(op=ast.Or()):
            return any(_holds(part, marks, known) for part in node.values)
        case ast.UnaryOp(op=ast.Not()):
            return not _holds(node.operand, marks, known)
        case ast.Name():
            return node.id in marks or node.id not in known
    raise KeyError(type(node).__name__)
