"""What a check needs of a tool (`pytest.mark.needs`), and whether a tool offers it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from parity.plugin.arguments import Experiment, Tool

if TYPE_CHECKING:
    from steering_core.tools.offers import Need

Needs = Callable[[Experiment], "Need"]
CONTRIBUTIONS = ("resid_pre", "attn_contrib", "mlp_contrib", "resid_post")
"""The streams of a block of which the first three sum to the last (P5)."""
INSIDE = ("attn_out", "mlp_out", "attn_contrib", "mlp_contrib")
"""The streams inside a block that checks ask a tool to steer, if it offers them."""


def _reading(experiment: Experiment, *streams: str, layer: int | None = None) -> "Need":
    from steering_core.models.sites import Site
    from steering_core.tools.offers import Need

    layer = experiment.settings.layer if layer is None else layer
    return Need(read=tuple(Site(stream, layer) for stream in streams or ("resid_post",)))


def _editing(experiment: Experiment, action: str = "add", blocks: Sequence[int] = (), **more: Any) -> "Need":
    from steering_core.models.sites import Site
    from steering_core.tools.offers import Need

    sites = tuple(Site("resid_post", block) for block in blocks or experiment.settings.blocks)
    arguments: dict[str, Any] = {action: sites, **more}
    return Need(**arguments)


def _inside(experiment: Experiment, kind: str, stream: str) -> "Need":
    from steering_core.measure.edit_modes import INNER_KINDS
    from steering_core.models.sites import Site
    from steering_core.tools.offers import Need

    blocks = experiment.settings.blocks
    sites = tuple(Site(stream, block) for block in sorted({min(blocks), max(blocks)}))
    arguments: dict[str, Any] = dict.fromkeys(INNER_KINDS[kind], sites)
    return Need(**arguments, phases=("prefill", "decode") if kind == "modes" else ())


def _claiming(*claims: str) -> "Need":
    from steering_core.tools.offers import Need

    return Need(claims=claims)


def _own_direction(experiment: Experiment) -> "Need":
    from steering_core.tools.offers import Need

    return Need(read=_reading(experiment).read, own_direction=True)


def _last(experiment: Experiment) -> int:
    return experiment.model.spec.layers - 1


NEEDS: dict[str, Needs] = {
    "read": _reading,
    "tested": _reading,
    "last": lambda experiment: _reading(experiment, layer=_last(experiment)),
    "contributions": lambda experiment: _reading(experiment, *CONTRIBUTIONS),
    "direction": _own_direction,
    "add": _editing,
    "generate": _editing,
    "reference": _own_direction,
    "native": _editing,
    "one": _editing,
    "two": lambda experiment: _editing(experiment, phases=("prefill", "decode")),
    "ends": lambda experiment: _editing(experiment, blocks=(0, _last(experiment))),
    "ablate": lambda experiment: _editing(experiment, "ablate"),
    "ablate-positions": lambda experiment: _editing(experiment, "ablate", claims=("position_ranges",)),
    "ablate-features": lambda experiment: _editing(experiment, "ablate", claims=("feature_ranges",)),
    **{mode: partial(_editing, action=mode) for mode in ("set", "scale", "interpolate", "affine")},
    "identity": lambda experiment: _editing(experiment, "scale", interpolate=_editing(experiment).add),
    "features": lambda experiment: _editing(experiment, claims=("feature_ranges",)),
    **{
        f"{kind}-{stream}": partial(_inside, kind=kind, stream=stream)
        for kind, stream in product(("zero", "add", "ablate", "modes"), INSIDE)
    },
    "packed": lambda experiment: _claiming("packed_prompts"),
    "positions": lambda experiment: _claiming("position_ranges"),
    "no-cache": lambda experiment: _claiming("no_cache"),
    "chunked": lambda experiment: _claiming("chunked_prefill"),
    "arithmetic": lambda experiment: _claiming("declared_arithmetic"),
}
"""What a name in `pytest.mark.needs` asks of a tool. A name that is a parameter of the check stands for its value; a
value that is not listed here needs nothing."""


def needs_of(function: Callable[..., None], params: Mapping[str, Any]) -> tuple[str, ...]:
    """The names in the check's marks, each parameter replaced by its value."""
    marks: Sequence[pytest.Mark] = getattr(function, "pytestmark", [])
    names = [name for mark in marks if mark.name == "needs" for name in mark.args]
    return tuple(str(params.get(name, name)) for name in names)


def reason_not_offered(tool: Tool, experiment: Experiment, needs: Sequence[str]) -> str | None:
    """None, or what the tool does not offer of these needs."""
    from steering_core.tools.offers import why_not

    if "direction" in needs and not callable(getattr(tool, "direction", None)) and (reason := _blind(experiment)):
        return reason
    asked = [NEEDS[name](experiment) for name in needs if name in NEEDS]
    spec = experiment.model.spec
    return next(filter(None, (why_not(tool, spec, need) for need in asked)), None)


def _blind(experiment: Experiment) -> str | None:
    """None, or why the directions of the run's method say nothing about a tool."""
    from steering_core.directions import traits_of

    method = experiment.settings.method
    return None if traits_of(method).reads_rows else f"{method} does not read what a tool returns"
