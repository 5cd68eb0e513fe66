"""Reading: each adapter against hooks of the test's own, on a model that no tool has touched."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from steering_core.errors import EmptyMeasurement, ToolUnsupported
from steering_core.models.model import LoadedModel
from steering_core.models.sites import STREAMS, Site
from steering_core.models.tokens import Side, TokenBatch
from steering_core.tests.random_models import FAMILIES, LAYERS, every_site, prompts, random_model, random_spec
from steering_core.tools.spec import BUILT_IN, find_tool

pytestmark = pytest.mark.usefixtures("one_thread")

LATER = [family for family in FAMILIES if family not in {"qwen2", "gemma2"}]
MIDDLE = Site("resid_post", 1)


@pytest.fixture(params=list(BUILT_IN))
def tool(request: pytest.FixtureRequest) -> Any:
    return find_tool(request.param)


def before(module: nn.Module) -> list[Tensor]:
    """What the module receives, call by call."""
    values: list[Tensor] = []
    module.register_forward_pre_hook(lambda module, args: values.append(args[0].clone()))
    return values


def after(module: nn.Module) -> list[Tensor]:
    """What the module returns, call by call."""
    values: list[Tensor] = []

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        values.append((output[0] if isinstance(output, tuple) else output).clone())

    module.register_forward_hook(keep)
    return values


def following(model: LoadedModel, layer: int) -> nn.Module:
    """What receives the output of a block."""
    modules: list[nn.Module] = [*model.blocks, model.module_at(model.architecture.final_norm)]
    return modules[layer + 1]


def oracle(model: LoadedModel, batch: TokenBatch) -> dict[Site, Tensor]:
    """Every stream of a Qwen-2 or Gemma-2 model, by names written down here and not taken from the suite's table."""
    seen: dict[tuple[str, int], list[Tensor]] = {}
    gemma = model.spec.family == "gemma2"
    for layer, block in enumerate(model.module.model.layers):
        attention, mlp = block.self_attn, block.mlp
        seen["resid_pre", layer] = before(block)
        seen["resid_mid", layer] = before(block.pre_feedforward_layernorm if gemma else block.post_attention_layernorm)
        seen["resid_post", layer] = before(following(model, layer))
        seen["attn_out", layer], seen["mlp_out", layer] = after(attention.o_proj), after(mlp.down_proj)
        seen["attn_contrib", layer] = after(block.post_attention_layernorm if gemma else attention.o_proj)
        seen["mlp_contrib", layer] = after(block.post_feedforward_layernorm if gemma else mlp.down_proj)
        seen["k", layer], seen["v", layer] = after(attention.k_proj), after(attention.v_proj)
    seen["final_norm", LAYERS - 1] = after(model.module_at("model.norm"))
    with torch.no_grad():
        model.module(**batch.inputs())
    return {Site(*key): values[0] for key, values in seen.items()}


@pytest.mark.parametrize(
    ("side", "rows", "dtype"),
    [
        ("left", 1, torch.float32),
        ("left", 3, torch.float32),
        ("right", 3, torch.float32),
        ("left", 3, torch.bfloat16),
    ],
)
@pytest.mark.parametrize("family", ["qwen2", "gemma2"])
def test_reads_every_stream_bit_for_bit(tool: Any, family: str, side: Side, rows: int, dtype: torch.dtype) -> None:
    model, batch = random_model(family, dtype), prompts(rows, side)
    expected = oracle(random_model(family, dtype), batch)

    found = tool.read(model, batch, every_site(model))

    assert list(found) == every_site(model)
    assert {site.stream for site in found} == set(STREAMS)
    assert [site for site in found if not torch.equal(found[site], expected[site])] == []
    assert {value.dtype for value in found.values()} == {dtype}
    assert not any(value.requires_grad for value in found.values())


@pytest.mark.parametrize("family", LATER)
def test_reads_the_other_families(tool: Any, family: str) -> None:
    model, pristine, batch = random_model(family), random_model(family), prompts(3)
    received = [before(following(pristine, layer)) for layer in range(LAYERS)]
    pristine.module(**batch.inputs())

    found = tool.read(model, batch, every_site(model))

    for layer in range(LAYERS):
        parts = [found[Site(stream, layer)] for stream in ("resid_pre", "attn_contrib", "mlp_contrib")]
        assert torch.equal(found[Site("resid_post", layer)], received[layer][0])
        torch.testing.assert_close(parts[0] + parts[1] + parts[2], received[layer][0])
    reference = find_tool("hooks").read(pristine, batch, every_site(model))
    assert [site for site in found if not torch.equal(found[site], reference[site])] == []


def test_reads_the_columns_of_a_fused_projection(tool: Any) -> None:
    model, pristine, batch = random_model("phi3"), random_model("phi3"), prompts(3)
    joint = after(pristine.module.model.layers[1].self_attn.qkv_proj)
    pristine.module(**batch.inputs())

    found = tool.read(model, batch, [Site("v", 1), Site("k", 1)])

    keys, values = joint[0][..., 64:96], joint[0][..., 96:]
    assert torch.equal(found[Site("k", 1)], keys)
    assert torch.equal(found[Site("v", 1)], values)


def test_what_was_read_belongs_to_the_caller(tool: Any) -> None:
    model, batch = random_model("qwen2"), prompts(3)
    first = tool.read(model, batch, every_site(model))
    kept = {site: value.clone() for site, value in first.items()}

    tool.read(model, prompts(2), every_site(model))
    first[Site("attn_out", 1)].zero_()

    changed = [site for site in first if not torch.equal(first[site], kept[site])]
    assert changed == [Site("attn_out", 1)]


def test_reading_changes_neither_the_run_nor_the_random_state(tool: Any) -> None:
    model, batch = random_model("qwen2"), prompts(3)
    logits, state = model.module(**batch.inputs()).logits, torch.get_rng_state()

    tool.read(model, batch, every_site(model))

    assert torch.equal(model.module(**batch.inputs()).logits, logits)
    assert torch.equal(torch.get_rng_state(), state)
    assert not model.module.training


def test_reading_is_one_forward_of_the_whole_model(tool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, calls = random_model("qwen2"), list[tuple[int, ...]]()
    head = type(model.module.lm_head)
    monkeypatch.setattr(head, "__call__", _counting(head.__call__, model.module.lm_head, calls))

    tool.read(model, prompts(3), every_site(model))

    assert calls == [(3, 1, 64)], "one run, with logits for one token"


def _counting(call: Any, wanted: nn.Module, calls: list[tuple[int, ...]]) -> Any:
    def counted(module: nn.Module, hidden: Tensor) -> Any:
        if module is wanted:
            calls.append(tuple(hidden.shape))
        return call(module, hidden)

    return counted


def test_supports_gives_the_reason(tool: Any) -> None:
    spec = random_spec("qwen2")
    for action in ("read", "add", "ablate"):
        assert tool.supports(spec, MIDDLE, action) is None
        assert "blocks are 0 to 2" in tool.supports(spec, Site("resid_post", 3), action)
        assert "no architecture table for family 'mamba'" in tool.supports(random_spec("mamba"), MIDDLE, action)


def test_refuses_to_read_what_is_not_there(tool: Any) -> None:
    model = random_model("qwen2")
    with pytest.raises(EmptyMeasurement, match="no site was requested"):
        tool.read(model, prompts(1), [])
    with pytest.raises(ToolUnsupported, match="resid_post@3 cannot be read"):
        tool.read(model, prompts(1), [MIDDLE, Site("resid_post", 3)])


def test_version_says_where_the_library_is(tool: Any) -> None:
    found = tool.version()
    assert found.distribution == {"hooks": "torch"}.get(tool.name, tool.name)
    assert found.location.endswith("__init__.py")
    assert f"tools/{tool.name}" not in found.location
