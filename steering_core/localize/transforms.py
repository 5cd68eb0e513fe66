"""What was done to the values, once it is known which rows they came from: sign, scale, casts, centring, constants.

Every guess is tested for equality bit by bit, with the rounding of each float type; only if none is exact does the
guess that leaves the smallest remainder win, and only if it is far better than doing nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

_FAR_BETTER = 30.0
_CASTS = {torch.float16: "float16", torch.bfloat16: "bfloat16"}


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
    """returned: [n, w]; source: float64 [n, w], the values of a tensor of `dtype` (or its means)."""
    wide = returned.double()
    guesses = [(words, values) for words, values in _guesses(wide, source)]
    for words, values in guesses:
        for cast, rounded in _rounded(values, dtype, returned.dtype):
            if torch.equal(rounded, returned):
                return Match((*words, *cast), 0.0, exact=True)
    if partial := _partly(returned, source, dtype):
        return partial
    remainders = [float((wide - values).norm()) for _, values in guesses]
    best = min(range(len(guesses)), key=lambda index: remainders[index])
    chosen = best if remainders[best] * _FAR_BETTER < remainders[0] else 0
    words, values = guesses[chosen]
    return Match(words, _gap(wide, values), exact=False)


def _guesses(returned: Tensor, source: Tensor) -> Iterator[tuple[tuple[str, ...], Tensor]]:
    yield (), source
    yield ("sign-flipped",), -source
    scale = float((returned * source).sum() / source.square().sum().clamp(min=1e-300))
    for factor in dict.fromkeys([float(f"{scale:.3g}"), scale]):
        if factor not in (0.0, 1.0, -1.0):
            yield (f"scaled by {factor:.3f}" if 0.01 <= abs(factor) < 1000 else f"scaled by {factor:.3g}",), source * factor
    centred = source - source.mean(-1, keepdim=True)
    yield ("centred rows",), centred
    yield ("unit rows",), _over(source, source.norm(dim=-1, keepdim=True))
    yield ("rows of unit mean square",), _over(source, source.square().mean(-1, keepdim=True).sqrt())
    yield ("standardised rows",), _over(centred, centred.square().mean(-1, keepdim=True).sqrt())
    if len(source) > 2:
        change = returned - source
        constant = change.mean(0)
        yield (f"plus a constant vector of norm {float(constant.norm()):.3g}",), source + constant
        yield ("one direction removed",), source - _along_first_axis(change, source)


def _over(values: Tensor, size: Tensor) -> Tensor:
    return values / size.clamp(min=1e-300)


def _along_first_axis(change: Tensor, source: Tensor) -> Tensor:
    """The component of `source` along the direction in which it was changed most."""
    longest = change[change.norm(dim=-1).argmax()]
    axis = longest / longest.norm().clamp(min=1e-300)
    return (source @ axis).unsqueeze(-1) * axis


def _rounded(values: Tensor, own: torch.dtype, returned: torch.dtype) -> Iterator[tuple[tuple[str, ...], Tensor]]:
    """The values in the returned dtype, directly and through each narrower one, with words for the casts."""
    cast = () if own == returned else (f"cast to {str(returned).removeprefix('torch.')}",)
    yield cast, values.to(own).to(returned)
    for narrow, name in _CASTS.items():
        if narrow not in (own, returned):
            yield (f"{name} round trip", *cast), values.to(own).to(narrow).to(returned)


def _partly(returned: Tensor, source: Tensor, dtype: torch.dtype) -> Match | None:
    """At least half of the rows are the source's own; the rest are zero or were changed."""
    same = (returned == source.to(dtype).to(returned.dtype)).all(-1)
    others = int((~same).sum())
    if 2 * others > len(same):
        return None
    rest = returned[~same]
    what = "zero" if not bool(rest.any()) else "changed" if bool(rest.isfinite().all()) else "not finite"
    gap = _gap(returned.double(), source)
    return Match((f"{what} at {others} of {len(same)} tokens",), gap, exact=False, complete=False)


def _gap(left: Tensor, right: Tensor) -> float:
    """Mean over rows of 1 - cosine, as half the squared distance of unit rows; 1 where a row is zero or not finite."""
    apart = _over(left, left.norm(dim=-1, keepdim=True)) - _over(right, right.norm(dim=-1, keepdim=True))
    gaps = apart.square().sum(-1) / 2
    dead = ~torch.isfinite(gaps) | ~left.any(-1) | ~right.any(-1)
    return float(torch.where(dead, 1.0, gaps).mean()) if len(gaps) else 1.0
