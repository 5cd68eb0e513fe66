"""Checkpoints of random weights: a tiny Qwen2 with more blocks for benchmarks, and the shape of a registered model.

`python -m parity.benchmark.checkpoints KEY DIR` saves the second, for `--model-path KEY=DIR`: what reads a checkpoint
(quantization, a device map, the time of loading) can then be tried without the real weights.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import save_torch_state_dict
from transformers import AutoConfig, AutoModelForCausalLM

from steering_core.errors import SuiteError, UsageProblem
from steering_core.measure.study_way import release
from steering_core.models.model import LoadRequest
from steering_core.models.random_mark import RANDOM_SEED, random_mark
from steering_core.models.registry import ModelSpec, pick, read_registry
from steering_core.models.unregistered import spec_of_checkpoint
from steering_core.places import REGISTRY, ROOT

TINY = ROOT / "fixtures" / "checkpoints" / "tiny_qwen2"
SPREAD = 0.15
"""Standard deviation of a tiny model's weights: large enough that its answers differ from prompt to prompt."""
STRENGTH = 4.0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 2 if nothing can be saved."""
    parser = argparse.ArgumentParser(
        prog="python -m parity.benchmark.checkpoints",
        description="Save random weights at a registered model's architecture and shape, marked as random.",
    )
    parser.add_argument("key", help="a row of fixtures/models.toml, for example qwen7b")
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the checkpoint goes; empty or not there yet")
    parser.add_argument("--device", default="cpu", help="where the weights are made (default: cpu; cuda:0 is faster)")
    options = parser.parse_args(arguments)
    try:
        if options.folder.exists() and any(options.folder.iterdir()):
            raise UsageProblem("checkpoint-folder", f"{options.folder} is not empty", "choose another DIR")
        registered(options.key, options.folder, options.device)
    except (SuiteError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    print(f"saved random weights of {options.key}: --model-path {options.key}={options.folder}")
    return 0


def deep_tiny(folder: Path, layers: int) -> LoadRequest:
    """Save a tiny Qwen2 of so many blocks; how it is loaded."""
    config = AutoConfig.from_pretrained(TINY, local_files_only=True)
    config.num_hidden_layers, config.layer_types = layers, ["full_attention"] * layers
    config.initializer_range = SPREAD
    torch.manual_seed(RANDOM_SEED)
    _save(AutoModelForCausalLM.from_config(config, dtype=torch.float32), folder)
    spec = replace(spec_of_checkpoint(str(folder), layer=layers * 16 // 28, multiplier=STRENGTH), tiny=True)
    return LoadRequest(spec, spec.source, spec.dtype, tokenizer=str(TINY))


def registered(key: str, folder: Path, device: str) -> LoadRequest:
    """Save the shape of a row of models.toml, unless `folder` holds it already; how it is loaded."""
    spec: ModelSpec = pick(read_registry(REGISTRY), key, "model")
    request = LoadRequest(spec, str(folder), spec.dtype, device, tokenizer=str(TINY))
    if not (folder / "config.json").is_file():
        _save(replace(request, random_weights=True).load().module, folder)
        release()
    return request


def _save(module: Any, folder: Path) -> None:
    """Weights and config, marked as random in both; tokenizer files are those of the tiny fixture."""
    folder.mkdir(parents=True, exist_ok=True)
    save_torch_state_dict(module.state_dict(), folder, metadata={"format": "pt", **random_mark()})
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((TINY / name).read_bytes())
    module.generation_config.save_pretrained(folder)
    module.config.update(random_mark())
    module.config.save_pretrained(folder)  # the last one: a folder without it is not complete


if __name__ == "__main__":
    raise SystemExit(main())
