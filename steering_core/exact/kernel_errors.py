"""Errors of single operators against float64, and the speed of products under several tiles."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from steering_core.exact.operators import DTYPES
from steering_core.models.model import LoadedModel

ROWS, DECODED, KEYS = 960, 30, 40
TILES = (
    *((128, 128, 64, 8, 4), (128, 128, 64, 8, 3), (128, 256, 64, 8, 3), (128, 64, 64, 4, 4), (128, 64, 128, 4, 3)),
    *((128, 32, 64, 4, 4), (128, 32, 128, 4, 4), (64, 128, 64, 4, 4), (64, 64, 64, 4, 4), (64, 64, 128, 4, 4)),
    *((64, 32, 64, 4, 5), (64, 32, 128, 4, 4), (64, 32, 128, 4, 5), (64, 16, 128, 4, 5), (64, 32, 256, 4, 3)),
)


def kernel_errors(model: LoadedModel) -> dict[str, float]:
    """{operator: largest |difference| to float64 on random numbers of a model's shapes and dtype}."""
    spec, heads = model.spec, model.spec.heads
    wide = random(model, ROWS, spec.hidden)
    scores, values = random(model, heads, KEYS, KEYS).softmax(-1), random(model, heads, KEYS, spec.head_dim)
    operators: dict[str, tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = {
        "mm": (torch.mm, (wide, random(model, spec.mlp, spec.hidden).t() / spec.hidden**0.5)),
        "bmm": (torch.bmm, (scores, values)),
        "mean": (lambda x: x.mean(-1), (wide.float(),)),
        "softmax": (lambda x: x.softmax(-1), (wide.float(),)),
        "log_softmax": (lambda x: x.log_softmax(-1), (wide.float(),)),
    }
    return {name: deviation(operator, tensors) for name, (operator, tensors) in operators.items()}


def deviation(operator: Callable[..., Tensor], tensors: tuple[Tensor, ...]) -> float:
    """Largest |difference| between an operator's result and its result in float64."""
    true = operator(*(tensor.double() for tensor in tensors))
    return float((operator(*tensors).double() - true).abs().max())


def random(model: LoadedModel, *shape: int) -> Tensor:
    """Standard normal numbers, the same at every call, on a model's device and in its dtype."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, generator=generator).to(model.device, model.dtype)


def tile_speeds(model: LoadedModel) -> Iterator[dict[str, Any]]:
    """Per shape of weights and tile: microseconds of a prefill's and a decoding step's product, PyTorch's own for
    comparison, and whether both agree bit for bit with each other and with the first tile."""
    from steering_core.exact.cuda import CudaRecipes, Tile

    assert model.dtype in DTYPES
    for name, weight in sorted(weights_by_shape(model).items()):
        many = random(model, ROWS, weight.shape[1])
        few, first = many[:DECODED].clone(), None
        own = {"prefill_us": microseconds(lambda: many @ weight.t()), "step_us": microseconds(lambda: few @ weight.t())}
        yield {"weights": name, "tile": "PyTorch", **own}
        for tile in TILES:
            product = CudaRecipes(Tile(*tile)).product
            try:
                whole = product(many, weight.t(), None)
                first = whole if first is None else first
                yield {
                    **{"weights": name, "tile": tile},
                    "prefill_us": microseconds(lambda: product(many, weight.t(), None)),
                    "step_us": microseconds(lambda: product(few, weight.t(), None)),
                    "rows_agree": torch.equal(whole[:DECODED], product(few, weight.t(), None)),
                    "tiles_agree": torch.equal(whole, first),
                }
            except Exception as error:  # more shared memory than the GPU has
                yield {"weights": name, "tile": tile, "error": str(error)[:120]}


def weights_by_shape(model: LoadedModel) -> dict[str, Tensor]:
    """{"COLUMNSxDEPTH": one weight of that shape}."""
    linear = [part.weight for part in model.module.modules() if isinstance(part, torch.nn.Linear)]
    return {f"{weight.shape[0]}x{weight.shape[1]}": weight for weight in linear}


def microseconds(call: Callable[[], Any], repeats: int = 20) -> float:
    """Mean time of a call on the GPU."""
    for _ in range(3):
        call()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / repeats * 1e6
