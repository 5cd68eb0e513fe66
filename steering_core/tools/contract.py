"""What comes back from a tool, compared with what docs/tools.md promises (clause P0).

Each function returns what can still be measured, and one sentence for each breach; it never raises, whatever came back.
All of them run where the tool runs.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice

import torch
from torch import Tensor

from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.models.transfers import onto
from steering_core.tools.salvage import LONGEST, Fault, Storages, as_tensor, attempt, entries_of, name_of, neutral

__all__ = ["Storages", "checked_direction", "checked_ids", "checked_read"]
MOST = 1000
"""Entries of a mapping that are looked at."""


def checked_read(
    value: object, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site], storages: Storages
) -> tuple[dict[Site, Tensor], list[str]]:
    """(what `read` returned by requested site, breaches); a site without a usable value is left out.

    A usable value has the dtype and shape that came back: P2 and P3 judge them, and P1 names the tensor. storages: one
    object for all calls of a tool.
    """
    with neutral():
        given, breaches = _by_site(value, tuple(dict.fromkeys(sites)))
        kept: dict[Site, Tensor] = {}
        for site in dict.fromkeys(sites):
            if site not in given:
                breaches.append(f"read() returned nothing for {site}; every requested site is needed")
                continue
            tensor, faults = _activation(given[site], model, batch, site, storages)
            breaches += [f"read() returned {returned} for {site}; {needed} is needed" for returned, needed in faults]
            if tensor is not None:
                kept[site] = tensor
        return kept, breaches


def _by_site(value: object, sites: tuple[Site, ...]) -> tuple[dict[Site, object], list[str]]:
    """The values by requested site, from a dict or from something that can be read as one."""
    breaches, kind = [], type(value)
    if not issubclass(kind, dict):
        breaches.append(f"read() returned {name_of(value)}; a dict {{site: torch.Tensor}} is needed")
    items = _items(value, sites)
    known = [(_requested(key, sites), key, entry) for key, entry in items]
    given = {site: entry for site, key, entry in known if site and type(key) is not Site}
    given |= {site: entry for site, key, entry in known if site and type(key) is Site}
    wrong_keys = [name_of(key) for _, key, _ in known if type(key) is not Site]
    others = [key for site, key, _ in known if type(key) is Site and site is None]
    if wrong_keys:
        breaches.append(f"read() returned {len(wrong_keys)} keys that are not a Site, first {wrong_keys[0]}")
    if others:
        first = attempt(lambda: str(others[0])[:LONGEST])
        breaches.append(f"read() returned {len(others)} sites that were not requested, first {first}")
    return given, breaches


def _items(value: object, sites: tuple[Site, ...]) -> list[tuple[object, object]]:
    """Pairs of a key and a value; a lone value belongs to a lone site, and a list of values to the sites in order."""
    kind, entries = type(value), entries_of(value)
    if issubclass(kind, dict):
        return list(dict.items(value))  # type: ignore[arg-type]
    if issubclass(kind, Mapping):
        return attempt(lambda: list(islice(value.items(), MOST))) or []  # type: ignore[attr-defined]
    if len(entries) == len(sites):
        return list(zip(sites, entries, strict=True))
    return [(sites[0], value)] if len(sites) == 1 else []


def _requested(key: object, sites: tuple[Site, ...]) -> Site | None:
    """The requested site that a key stands for: the site itself, or its text."""
    if type(key) is Site:
        return attempt(lambda: next((site for site in sites if site == key), None))
    return next((site for site in sites if str(site) == key), None) if type(key) is str else None


def _activation(
    value: object, model: LoadedModel, batch: TokenBatch, site: Site, storages: Storages
) -> tuple[Tensor | None, list[Fault]]:
    tensor, faults = as_tensor(value)
    if tensor is None:
        return None, faults
    shape, expected = tuple(tensor.shape), (*batch.ids.shape, width_of(model, site))
    if shape != expected:
        faults.append(Fault(f"shape {list(shape)}", f"[batch, seq, width] = {list(expected)}"))
    if tensor.dtype != model.dtype:
        faults.append(Fault(f"{_short(tensor.dtype)} values", f"the model's {_short(model.dtype)}"))
    if tensor.device != model.device:
        faults.append(Fault(f"a tensor on {tensor.device}", f"one on the model's {model.device}"))
    owned = attempt(lambda: storages.owned(tensor))
    if owned is None:
        return None, [*faults, Fault("a tensor that cannot be copied", "a dense tensor")]
    return attempt(lambda: owned[0].to(model.device)), [*faults, *owned[1]]


def width_of(model: LoadedModel, site: Site) -> int:
    """Features per token at a site: those of the residual stream, or of all key and value heads."""
    spec = model.spec
    return spec.kv_heads * spec.head_dim if site.stream in {"k", "v"} else spec.hidden


def checked_direction(value: object, model: LoadedModel) -> tuple[Tensor | None, list[str]]:
    """(what a tool's own `direction` returned, as float32 [hidden] on the CPU, breaches); None without finite entries."""
    with neutral():
        tensor, faults = as_tensor(value)
        if tensor is not None:
            hidden = model.spec.hidden
            if tuple(tensor.shape) != (hidden,):
                faults.append(Fault(f"shape {list(tensor.shape)}", f"[hidden] = [{hidden}]"))
            if not tensor.dtype.is_floating_point:
                faults.append(Fault(f"{_short(tensor.dtype)} values", "a floating dtype"))
            plain = attempt(partial(_flattened, tensor))
            if plain is None or not bool(torch.isfinite(plain).all()):
                faults.append(Fault("entries that are not finite", "a finite vector"))
            usable = plain is not None and len(plain) == hidden and bool(torch.isfinite(plain).all())
            tensor = plain if usable else None
        return tensor, [f"direction() returned {returned}; {needed} is needed" for returned, needed in faults]


def _flattened(tensor: Tensor) -> Tensor:
    return tensor.cpu().float().reshape(-1).clone()


def checked_ids(
    value: object, model: LoadedModel, batch: TokenBatch, max_new_tokens: int
) -> tuple[Tensor | None, list[str]]:
    """(what `generate` returned, as int64 [batch, <= max_new_tokens] on the model's device, breaches).

    A row keeps its tokens up to the first end token, and padding after it. None if the answers cannot be told apart by
    row, or are no token ids.
    """
    with neutral():
        tensor, faults = as_tensor(value)
        if tensor is not None:
            tensor = attempt(partial(_ids, tensor, model, batch, max_new_tokens, faults))
        if tensor is None and not faults:
            faults.append(Fault("ids that cannot be read", "int64 [batch, new]"))
        return tensor, [f"generate() returned {returned}; {needed} is needed" for returned, needed in faults]


def _ids(tensor: Tensor, model: LoadedModel, batch: TokenBatch, limit: int, faults: list[Fault]) -> Tensor | None:
    rows, prompt = batch.ids.shape
    if tensor.dtype != torch.int64:
        faults.append(Fault(f"{_short(tensor.dtype)} ids", "int64"))
        if tensor.dtype is torch.bool or not bool((tensor == tensor.long()).all()):
            return None
    ids = tensor.long().cpu()  # to look at them there: every question that is asked of a GPU is waited for
    if ids.dim() != 2 or len(ids) != rows or ids.shape[1] > limit:
        faults.append(Fault(f"ids of shape {list(ids.shape)}", f"[batch, new] = [{rows}, at most {limit}]"))
        ids = ids.reshape(rows, -1)
        if ids.shape[1] > limit:
            repeats_prompt = ids[:, :prompt].equal(batch.ids.cpu())
            ids = ids[:, prompt if repeats_prompt else 0 :][:, :limit]
    decoding = model.decoding(limit)
    padding = int(decoding.pad_token_id or 0)
    unknown = (ids < 0) | (ids >= model.spec.vocab)
    if bool(unknown.any()):
        first = int(ids[unknown][0])
        faults.append(Fault(f"the id {first}", f"one of the {model.spec.vocab} ids of the vocabulary"))
        ids = ids.masked_fill(unknown, padding)
    ends = [] if decoding.eos_token_id is None else decoding.eos_token_id
    is_end = torch.isin(ids, torch.tensor(ends, dtype=torch.int64).reshape(-1)).long()
    after = is_end.cumsum(-1) - is_end > 0
    if bool((ids[after] != padding).any()):
        row = int(((ids != padding) & after).any(-1).nonzero()[0])
        faults.append(Fault(f"tokens after the end token of row {row}", f"the padding id {padding}"))
    return onto(ids.masked_fill(after, padding), model.device)


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
