"""What a candidate direction is tried with: edits of a forward pass as data; `measure.selection_passes` applies them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Stream = Literal["resid_pre", "resid_post"]
"""Where candidates are read and added: the input of a block (both published repositories), or its output (the study)."""
AblationScope = Literal["every_write", "stream", "own_layer"]
"""every_write: the input of every block, and every attention and MLP output. stream: the embedding and every block's
output. own_layer: the candidate's own site."""


@dataclass(frozen=True, eq=False)
class Step:
    """One edit at every token of some sites. ablate: h - (h . r) r with unit r; add: h + vector. vector: [hidden]."""

    action: Literal["ablate", "add"]
    stream: str
    layers: tuple[int, ...]
    vector: "Tensor"


Intervention = tuple[Step, ...]
"""Steps of one forward pass; at one site they apply in order. () leaves the model as it is."""


def ablation(vector: "Tensor", scope: AblationScope, depth: int, site: tuple[Stream, int]) -> Intervention:
    """Directional ablation (Arditi et al. 2024, section 2.4). depth: number of blocks. site: the candidate's own."""
    every = tuple(range(depth))
    if scope == "every_write":
        return tuple(Step("ablate", stream, every, vector) for stream in ("resid_pre", "attn_out", "mlp_out"))
    if scope == "stream":
        return (Step("ablate", "resid_pre", (0,), vector), Step("ablate", "resid_post", every, vector))
    stream, layer = site
    return (Step("ablate", stream, (layer,), vector),)


def addition(vector: "Tensor", stream: Stream, layer: int) -> Intervention:
    """Activation addition at one site, coefficient 1 (Arditi et al. 2024, section 2.4)."""
    return (Step("add", stream, (layer,), vector),)


def affine(vector: "Tensor", harmless: "Tensor", stream: Stream, layer: int, *, induce: bool = False) -> Intervention:
    """Affine concept editing at one site: h - proj_r(h) + proj_r(mean harmless) + c r, with c = 1 to induce, else 0.

    vector, harmless: [hidden]. As the COSMIC repository does under its default `--affine_steering true`.
    """
    unit = vector / vector.norm()
    center = (harmless @ unit) * unit
    return (
        Step("ablate", stream, (layer,), vector),
        Step("add", stream, (layer,), center + vector if induce else center),
    )
