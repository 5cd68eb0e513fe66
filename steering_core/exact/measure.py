"""`python -m steering_core.exact.measure FILE`: what exact arithmetic gives and costs here, as lines of JSON in a file.

Real architectures and shapes with random weights: `--model qwen7b gemma9b --dtype bfloat16 float16`. Per model and dtype,
with plain and with exact arithmetic: prompts of 30 that are bit-equal to themselves alone, in every arrangement; tokens
that are equal alone, in a batch, and without a cache; seconds of a forward and of a decoding step; errors.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from steering_core.exact import exact_arithmetic, first_difference
from steering_core.exact.arrangements import arrangements
from steering_core.exact.kernel_errors import kernel_errors
from steering_core.models.load import load
from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch, pad

PROMPTS, SHORTEST, LONGEST, NEW_TOKENS, REPEATS = 30, 10, 32, 16, 10


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="where the lines are appended")
    parser.add_argument("--model", nargs="+", default=["qwen7b", "gemma9b"], help="keys of the registry")
    parser.add_argument("--dtype", nargs="+", default=["bfloat16", "float16"])
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument(
        "--answers", type=int, default=PROMPTS, help="prompts that are answered alone (default: all 30)"
    )
    parser.add_argument("--tiles", action="store_true", help="time the products of each model under several tiles too")
    options = parser.parse_args(arguments)
    for key in options.model:
        for dtype in options.dtype:
            model = load(key, dtype=dtype, device=options.device, random_weights=True)
            for line in lines(model, options.answers, tiles=options.tiles):
                with options.file.open("a") as stream:
                    stream.write(json.dumps({"model": key, "dtype": dtype, **line}) + "\n")
            del model
            torch.cuda.empty_cache()


def lines(model: LoadedModel, answers: int = PROMPTS, *, tiles: bool) -> Iterator[dict[str, Any]]:
    """What is measured on one model. answers: how many of its prompts are answered."""
    if tiles:
        from steering_core.exact.tile_speeds import tile_speeds

        yield from tile_speeds(model)
    yield measured(model, answers)


def measured(model: LoadedModel, answers: int = PROMPTS) -> dict[str, Any]:
    """Everything about one model, plain and exact."""
    rows = prompts(model)
    result: dict[str, Any] = {"device": device_name(model), "attention": model.module.config._attn_implementation}
    for name, arithmetic in (("plain", nullcontext()), ("exact", exact_arithmetic(model))):
        with arithmetic:
            difference = first_difference(model, rows[:4])
            result[name] = {
                "equal_rows": equal_rows(model, rows),
                "equal_tokens": equal_tokens(model, rows[:answers]),
                "first_difference": difference and asdict(difference),
                "forward_ms": 1000 * seconds(model, lambda: model.forward(batch(model, rows).inputs())),
                "step_ms": 1000 * seconds(model, lambda: generate(model, batch(model, rows)), 3) / NEW_TOKENS,
                "kernel_errors": kernel_errors(model),
            }
            result[name + "_hidden"] = final(model, batch(model, rows))
    result["errors_to_float32"] = errors(model, rows, result.pop("plain_hidden"), result.pop("exact_hidden"))
    return result


def device_name(model: LoadedModel) -> str:
    """The GPU's name, or "cpu"."""
    return torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else "cpu"


def prompts(model: LoadedModel) -> list[list[int]]:
    """Random token ids, 10 to 32 a prompt."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(SHORTEST, LONGEST + 1, (PROMPTS,), generator=generator).tolist()
    return [torch.randint(3, model.spec.vocab, (length,), generator=generator).tolist() for length in lengths]


def batch(model: LoadedModel, rows: Sequence[Sequence[int]]) -> TokenBatch:
    """The prompts as one batch on the model's device."""
    return pad(rows, 0).to(model.device)


def final(model: LoadedModel, tokens: TokenBatch) -> list[Tensor]:
    """Per prompt, the final norm's output at its real tokens."""
    outputs: list[Tensor] = []
    norm = model.module_at(model.architecture.final_norm)
    handle = norm.register_forward_hook(lambda module, inputs, output: outputs.append(output.detach()))
    try:
        model.forward(tokens.to(model.device).inputs())
    finally:
        handle.remove()
    return [row[mask.to(row.device)].cpu() for row, mask in zip(outputs[0], tokens.mask.bool(), strict=True)]


def equal_rows(model: LoadedModel, rows: Sequence[Sequence[int]]) -> dict[str, int]:
    """{arrangement: prompts whose last activations are those of the prompt alone}."""
    counts: dict[str, int] = {}
    alone: list[Tensor] = []
    for arrangement in arrangements(model, rows):
        values = [row for tokens in arrangement.batches for row in final(model, tokens)]
        alone = alone or values
        counts[arrangement.name] = sum(map(torch.equal, (alone[index] for index in arrangement.order), values))
    return counts


def generate(model: LoadedModel, tokens: TokenBatch, use_cache: bool = True) -> Tensor:
    """New token ids [batch, new], greedy; no row ends early."""
    config = model.decoding(NEW_TOKENS)
    config.update(eos_token_id=None, use_cache=use_cache)
    inputs = {"input_ids": tokens.ids.to(model.device), "attention_mask": tokens.mask.to(model.device)}
    with model.inference():
        ids: Tensor = model.module.generate(**inputs, generation_config=config)
    return ids[:, tokens.ids.shape[1] :].cpu()


def equal_tokens(model: LoadedModel, rows: Sequence[Sequence[int]]) -> dict[str, int]:
    """{change: answers that are those of the prompt alone}."""
    alone = torch.cat([generate(model, pad([row], 0)) for row in rows])
    changed = {"in a batch": generate(model, pad(rows, 0)), "without cache": generate(model, pad(rows, 0), False)}
    return {name: int((ids == alone).all(1).sum()) for name, ids in changed.items()}


def seconds(model: LoadedModel, call: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Median time of a call, including the GPU's work."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        call()
        if model.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def errors(
    model: LoadedModel, rows: Sequence[Sequence[int]], plain: list[Tensor], exact: list[Tensor]
) -> dict[str, float]:
    """Largest |difference| of the final norm's output to the same weights in float32. Changes the model."""
    model.module.float()
    true = torch.cat(final(model, batch(model, rows)))
    found = {name: (torch.cat(values).float() - true) for name, values in (("plain", plain), ("exact", exact))}
    return {
        **{name: float(difference.abs().max()) for name, difference in found.items()},
        **{f"{name}_rms": float(difference.square().mean().sqrt()) for name, difference in found.items()},
        "largest_value": float(true.abs().max()),
    }


if __name__ == "__main__":
    main()
