"""What was done to the values, given the rows they came from: sign, scale, casts, centering, constants.

Every guess is tested for bitwise equality, with the rounding of each float type; only if none is exact does the guess
with the smallest remainder win, and only if it is far better than no change.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import normalize

from steering_core.localize.rows import finite

_FAR_BETTER = 30.0
_ROUNDING, _ROUNDED = 1e-6, 0.1
_FITTED = 32
_TINY = 1e-300
_CHANGED = "changed at"
_NARROW = {torch.float16: "float16", torch.bfloat16: "bfloat16"}

Transform = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Match:
    """transforms: what was done. gap: mean over rows of 1 - cosine to the explained values. exact: bit for bit.

    complete: false if some rows are left unexplained (the transforms say how many).
    """

    transforms: tuple[str, ...]
    gap: float
    exact: bool
    complete: bool = True

    @property
    def rounded(self) -> bool:
        """Whether the values are those of the source, at most rounded in another way at some or all tokens."""
        return not self.transforms or self.transforms[0].startswith(_CHANGED)


def explain_values(returned: Tensor, source: Tensor, dtype: torch.dtype) -> Match:
    """returned: [n, w]; source: float64 [n, w], the values of a tensor of `dtype` (or its means).

    Guesses are fitted and compared on some of the rows; the one that fits is then tested on all.
    """
    casts = list(_casts(dtype, returned.dtype))
    if torch.equal(_cast(source, casts[0][1]), returned):
        return Match(casts[0][0], 0.0, exact=True)
    some = torch.linspace(0, len(source) - 1, min(len(source), _FITTED)).long()
    few, few_source = returned[some], source[some]
    guesses = list(_guesses(finite(few), few_source))
    distances = [finite(few.double() - change(few_source)).norm() for _, change in guesses]
    size, *remainders = torch.stack([finite(few).norm(), *distances]).tolist()
    for (names, change), remainder in zip(guesses, remainders, strict=True):
        if names and remainder > _ROUNDED * size:
            continue
        for cast, dtypes in casts:
            if torch.equal(_cast(change(few_source), dtypes), few) and torch.equal(
                _cast(change(source), dtypes), returned
            ):
                return Match((*names, *cast), 0.0, exact=True)
    if partial_match := _partly_equal(returned, source, dtype):
        return partial_match
    best = min(range(len(guesses)), key=lambda index: remainders[index])
    names, change = guesses[best if remainders[best] * _FAR_BETTER < remainders[0] else 0]
    return Match(names, _gap(returned.double(), change(source)), exact=False)


def _guesses(returned: Tensor, source: Tensor) -> Iterator[tuple[tuple[str, ...], Transform]]:
    """What may have been done to the source, fitted to the returned rows: names, and a function of the source."""
    yield (), lambda values: values
    yield ("sign-flipped",), lambda values: -values
    scale = float((returned * source).sum() / source.square().sum().clamp(min=_TINY))
    for factor in dict.fromkeys([float(f"{scale:.3g}"), scale]):
        if factor not in (0.0, 1.0, -1.0):
            plain = 0.01 <= abs(factor) < 1000
            yield (f"scaled by {factor:.3f}" if plain else f"scaled by {factor:.3g}",), partial(torch.mul, factor)
    yield ("centered rows",), _centered
    yield ("unit rows",), lambda values: normalize(values, dim=-1, eps=_TINY)
    yield ("rows of unit mean square",), lambda values: _over(values, values.square().mean(-1, keepdim=True).sqrt())
    yield ("standardized rows",), lambda values: _over(_centered(values), values.std(-1, unbiased=False, keepdim=True))
    if len(source) > 2:
        change = returned - source
        constant, largest = change.mean(0), change[change.norm(dim=-1).argmax()]
        axis = normalize(largest, dim=0, eps=_TINY)
        yield (f"plus a constant vector of norm {float(constant.norm()):.3g}",), lambda values: values + constant
        yield ("one direction removed",), lambda values: values - (values @ axis).unsqueeze(-1) * axis


def _centered(values: Tensor) -> Tensor:
    return values - values.mean(-1, keepdim=True)


def _over(values: Tensor, size: Tensor) -> Tensor:
    return values / size.clamp(min=_TINY)


def _casts(source: torch.dtype, returned: torch.dtype) -> Iterator[tuple[tuple[str, ...], tuple[torch.dtype, ...]]]:
    """Rounding to the returned dtype, directly and through each narrower one: names, and the dtypes in order."""
    cast = () if source == returned else (f"cast to {str(returned).removeprefix('torch.')}",)
    yield cast, (source, returned)
    for narrow, name in _NARROW.items():
        if narrow not in (source, returned):
            yield (f"{name} round trip", *cast), (source, narrow, returned)


def _cast(values: Tensor, dtypes: tuple[torch.dtype, ...]) -> Tensor:
    for dtype in dtypes:
        values = values.to(dtype)
    return values


def _partly_equal(returned: Tensor, source: Tensor, dtype: torch.dtype) -> Match | None:
    """At least half of the rows equal the source's; the rest are zero or were changed."""
    equal = (returned == source.to(dtype).to(returned.dtype)).all(-1)
    count = int((~equal).sum())
    if 2 * count > len(equal):
        return None
    rest = returned[~equal]
    if _gap(rest.double(), source[~equal]) < _ROUNDING:
        return None
    state = "zero at" if not bool(rest.any()) else _CHANGED if bool(rest.isfinite().all()) else "not finite at"
    gap = _gap(returned.double(), source)
    return Match((f"{state} {count} of {len(equal)} tokens",), gap, exact=False, complete=False)


def _gap(left: Tensor, right: Tensor) -> float:
    """Mean over rows of 1 - cosine, as half the squared distance of unit rows; 1 where a row is zero or not finite."""
    difference = normalize(left, dim=-1, eps=_TINY) - normalize(right, dim=-1, eps=_TINY)
    gaps = difference.square().sum(-1) / 2
    undefined = ~torch.isfinite(gaps) | ~left.any(-1) | ~right.any(-1)
    return float(torch.where(undefined, 1.0, gaps).mean()) if len(gaps) else 1.0
