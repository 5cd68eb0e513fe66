"""What was done to the values, once it is known which rows they came from: sign, scale, casts, centering, constants.

Every guess is tested for equality bit by bit, with the rounding of each float type; only if none is exact does the
guess that leaves the smallest remainder win, and only if it is far better than doing nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from steering_core.localize.rows import finite

_FAR_BETTER = 30.0
_ROUNDING, _ROUNDED = 1e-6, 0.1
_FITTED = 32
_CASTS = {torch.float16: "float16", torch.bfloat16: "bfloat16"}

Transform = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Match:
    """words: what was done. gap: mean over rows of 1 - cosine to the explained values. exact: bit for bit.

    complete: false if some rows are left unexplained (the words say how many).
    """

    words: tuple[str, ...]
    gap: float
    exact: bool
    complete: bool = True


def explain_values(returned: Tensor, source: Tensor, dtype: torch.dtype) -> Match:
    """returned: [n, w]; source: float64 [n, w], the values of a tensor of `dtype` (or its means).

    Guesses are fitted and compared on some of the rows; the one that holds is then tested on all.
    """
    cast, rounded = next(_rounded(dtype, returned.dtype))
    if torch.equal(rounded(source), returned):
        return Match(cast, 0.0, exact=True)
    some = torch.linspace(0, len(source) - 1, min(len(source), _FITTED)).long()
    few, few_source = returned[some], source[some]
    guesses = list(_guesses(finite(few), few_source))
    apart = [finite(few.double() - change(few_source)).norm() for _, change in guesses]
    size, *remainders = torch.stack([finite(few).norm(), *apart]).tolist()
    for (words, change), remainder in zip(guesses, remainders, strict=True):
        if words and remainder > _ROUNDED * size:
            continue
        for cast, rounded in _rounded(dtype, returned.dtype):
            if torch.equal(rounded(change(few_source)), few) and torch.equal(rounded(change(source)), returned):
                return Match((*words, *cast), 0.0, exact=True)
    if mostly := _partly(returned, source, dtype):
        return mostly
    best = min(range(len(guesses)), key=lambda index: remainders[index])
    words, change = guesses[best if remainders[best] * _FAR_BETTER < remainders[0] else 0]
    return Match(words, _gap(returned.double(), change(source)), exact=False)


def _guesses(returned: Tensor, source: Tensor) -> Iterator[tuple[tuple[str, ...], Transform]]:
    """What may have been done to the source, fitted to the returned rows: words, and a function of the source."""
    yield (), lambda values: values
    yield ("sign-flipped",), lambda values: -values
    scale = float((returned * source).sum() / source.square().sum().clamp(min=1e-300))
    for factor in dict.fromkeys([float(f"{scale:.3g}"), scale]):
        if factor not in (0.0, 1.0, -1.0):
            plain = 0.01 <= abs(factor) < 1000
            yield (f"scaled by {factor:.3f}" if plain else f"scaled by {factor:.3g}",), partial(torch.mul, factor)
    yield ("centered rows",), _centered
    yield ("unit rows",), lambda values: _over(values, values.norm(dim=-1, keepdim=True))
    yield ("rows of unit mean square",), lambda values: _over(values, values.square().mean(-1, keepdim=True).sqrt())
    yield ("standardized rows",), lambda values: _over(_centered(values), values.std(-1, unbiased=False, keepdim=True))
    if len(source) > 2:
        change = returned - source
        constant, axis = change.mean(0), _unit(change[change.norm(dim=-1).argmax()])
        yield (f"plus a constant vector of norm {float(constant.norm()):.3g}",), lambda values: values + constant
        yield ("one direction removed",), lambda values: values - (values @ axis).unsqueeze(-1) * axis


def _centered(values: Tensor) -> Tensor:
    return values - values.mean(-1, keepdim=True)


def _unit(vector: Tensor) -> Tensor:
    return _over(vector, vector.norm())


def _over(values: Tensor, size: Tensor) -> Tensor:
    return values / size.clamp(min=1e-300)


def _rounded(own: torch.dtype, returned: torch.dtype) -> Iterator[tuple[tuple[str, ...], Transform]]:
    """Rounding to the returned dtype, directly and through each narrower one, with words for the casts."""
    cast = () if own == returned else (f"cast to {str(returned).removeprefix('torch.')}",)
    yield cast, lambda values: values.to(own).to(returned)
    for narrow, name in _CASTS.items():
        if narrow not in (own, returned):
            yield (f"{name} round trip", *cast), partial(_through, own, narrow, returned)


def _through(own: torch.dtype, narrow: torch.dtype, returned: torch.dtype, values: Tensor) -> Tensor:
    return values.to(own).to(narrow).to(returned)


def _partly(returned: Tensor, source: Tensor, dtype: torch.dtype) -> Match | None:
    """At least half of the rows are the source's own; the rest are zero or were changed."""
    same = (returned == source.to(dtype).to(returned.dtype)).all(-1)
    others = int((~same).sum())
    if 2 * others > len(same):
        return None
    rest, own = returned[~same], source[~same]
    if _gap(rest.double(), own) < _ROUNDING:
        return None
    what = "zero" if not bool(rest.any()) else "changed" if bool(rest.isfinite().all()) else "not finite"
    gap = _gap(returned.double(), source)
    return Match((f"{what} at {others} of {len(same)} tokens",), gap, exact=False, complete=False)


def _gap(left: Tensor, right: Tensor) -> float:
    """Mean over rows of 1 - cosine, as half the squared distance of unit rows; 1 where a row is zero or not finite."""
    apart = _over(left, left.norm(dim=-1, keepdim=True)) - _over(right, right.norm(dim=-1, keepdim=True))
    gaps = apart.square().sum(-1) / 2
    dead = ~torch.isfinite(gaps) | ~left.any(-1) | ~right.any(-1)
    return float(torch.where(dead, 1.0, gaps).mean()) if len(gaps) else 1.0
