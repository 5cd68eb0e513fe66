"""What a run consists of: the models, tools, presets and repeats that the command line asks for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from parity.plugin.request.judge import asked_judge
from parity.plugin.request.programs import asked_programs
from parity.plugin.request.selection import selects
from parity.plugin.request.tools import REFERENCE, sweep_tools, tool_names, tool_pythons
from parity.plugin.request.unregistered import unregistered_models
from steering_core.errors import UsageProblem
from steering_core.judges.settings import JudgeRequest
from steering_core.models.registry import ModelSpec, Preset, Settings, pick, read_presets, read_registry, resolve
from steering_core.places import PRESETS, PROMPTS, REGISTRY, ROOT
from steering_core.prompts import PromptSet, read_prompts

PROTOCOL_REPEATS = 5
MOST_REPEATS = 1000
"""Every repeat adds dozens of checks, which are listed before any runs."""
MOST_PROCESSES = 16


@dataclass(frozen=True)
class RunMatrix:
    """registry: every known model. selected: keys that this run measures. sources: weights given by --model-path.

    pythons: label of a tool -> the interpreter that it lives in, for those that live in another one.
    programs: which random programs are run, see `asked_programs`. sweep_through: who steers the conditions of sweeps.
    processes: of each tool, if the command line says it.
    """

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
    pythons: dict[str, str]
    programs: Mapping[str, Any]
    sweep_through: tuple[str, ...] = (REFERENCE,)
    judge: JudgeRequest | None = None
    processes: int | None = None


def build_run_matrix(options: Any) -> RunMatrix:
    """Options -> RunMatrix; UsageProblem is one clear line. Reads TOML and the prompts file, loads nothing."""
    registered, unregistered = read_registry(REGISTRY), unregistered_models(options.model, options)
    if both := sorted(set(registered) & set(unregistered)):
        hint = f"-m {both[0]}, with --model-path if necessary"
        raise UsageProblem("model", f"--model {both[0]} is a registered model", hint)
    registry = pinned({**registered, **unregistered}, options.revision)
    sources = model_paths(options.model_path, registry)
    positive(options.batch_size, "batch-size")
    presets = read_presets(PRESETS)
    if options.preset:
        pick(presets, options.preset, "preset")
    only_named = bool(unregistered)
    selected = tuple(
        key
        for key, spec in registry.items()
        if key in unregistered or selects(options.markexpr, spec, registry, only_named)
    )
    chosen = {key: presets[options.preset or default_preset(registry[key])] for key in selected}
    overrides = (options.layer, options.multiplier, options.method, options.dtype)
    protocol_repeats = max((preset.repeats for preset in chosen.values()), default=PROTOCOL_REPEATS)
    prompts_file = Path(options.prompts) if options.prompts else PROMPTS
    return RunMatrix(
        registry,
        selected,
        presets,
        preset=one_preset(chosen),
        settings={key: resolve(registry[key], preset, *overrides) for key, preset in chosen.items()},
        tools=tool_names(options),
        repeats=_at_most(options.repeats, MOST_REPEATS, "repeats") or protocol_repeats,
        protocol_repeats=protocol_repeats,
        prompts=read_prompts(prompts_file),
        prompts_file=prompts_file,
        sources=sources,
        pythons=tool_pythons(options),
        processes=_at_most(options.processes, MOST_PROCESSES, "processes"),
        programs=asked_programs(options),
        sweep_through=sweep_tools(options),
        judge=asked_judge(options),
    )


def one_preset(chosen: Mapping[str, Preset]) -> str:
    """The preset of a run: one throughout, though tiny and real models have different defaults."""
    if len(names := sorted({preset.name for preset in chosen.values()})) > 1:
        raise UsageProblem("mixed-presets", f"the models' presets differ: {', '.join(names)}", "name one with --preset")
    return names[0] if names else "none"


def default_preset(spec: ModelSpec) -> str:
    """Tiny checkpoints have settings of their own; every other model follows the protocol."""
    return "fixture" if spec.tiny else "phase1"


def model_paths(values: Sequence[str], registry: Mapping[str, ModelSpec]) -> dict[str, str]:
    """["qwen7b=DIR"] -> {"qwen7b": "DIR"}."""
    paths = {}
    for spec, folder in _assignments("model-path", "KEY=DIR", "qwen7b=/models/qwen7b", values, registry):
        if not Path(folder).is_dir():
            sentence = f"--model-path {spec.key}: {folder} is not a directory"
            raise UsageProblem("model-path", sentence, "a Hugging Face directory")
        paths[spec.key] = str(Path(folder).resolve())
    return paths


def pinned(registry: dict[str, ModelSpec], values: Sequence[str]) -> dict[str, ModelSpec]:
    """The registry with the revisions of ["qwen7b=a09a354"] in place."""
    changed = dict(registry)
    for spec, revision in _assignments("revision", "KEY=REV", "qwen7b=a09a354", values, registry):
        if (ROOT / spec.source).is_dir():
            raise UsageProblem("revision", f"--revision {spec.key}: its weights are a directory", "a model of the hub")
        changed[spec.key] = replace(spec, revision=revision)
    return changed


def _assignments(
    option: str, form: str, example: str, values: Sequence[str], registry: Mapping[str, ModelSpec]
) -> Iterator[tuple[ModelSpec, str]]:
    """KEY=VALUE texts -> the model of each key, and the value."""
    for text in values:
        key, sign, value = text.partition("=")
        if not sign or not value:
            raise UsageProblem(option, f"--{option} {text!r} is not {form}", f"for example {example}")
        yield pick(dict(registry), key, "model"), value


def _at_most(value: int | None, most: int, option: str) -> int | None:
    if value is not None and value > most:
        raise UsageProblem(option, f"--{option} {value} is too large", f"1 to {most}")
    return positive(value, option)


def positive(value: int | None, option: str) -> int | None:
    """The value, if it is None or at least 1."""
    if value is not None and value < 1:
        raise UsageProblem(option, f"--{option} {value} is too small", "1 or more")
    return value
