"""What older releases of transformers need, tried under the installed one: the releases themselves run in test_stacks."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from packaging.version import Version
from transformers import AutoTokenizer

from steering_core.errors import LoadProblem, ToolUnsupported
from steering_core.models import compatibility, loader
from steering_core.models.compatibility import (
    cache_option,
    default_attention,
    is_v5_tokenizer,
    last_logits_only,
    read_v5_tokenizer,
    rope_config,
)
from steering_core.models.model import LoadedModel, LoadRequest
from steering_core.models.registry import read_registry
from steering_core.models.tokens import chat_ids, encode
from steering_core.observe.forward_trace import block_inputs
from steering_core.places import REGISTRY, ROOT

pytestmark = pytest.mark.usefixtures("one_thread")
TINY = {key: spec for key, spec in read_registry(REGISTRY).items() if spec.tiny}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192}
SLIDING, FULL = "sliding_attention", "full_attention"


def config_with(parameters: dict[str, Any], **more: Any) -> SimpleNamespace:
    """A config as release 4 reads one that release 5 wrote: with a default base of its own, and unknown fields kept."""
    return SimpleNamespace(rope_theta=10000.0, rope_scaling=None, rope_parameters=parameters, **more)


def nested(pattern: list[str], local_type: str = "default") -> SimpleNamespace:
    parameters = {
        FULL: {"rope_theta": 1e6, "rope_type": "default"},
        SLIDING: {"rope_theta": 777.0, "rope_type": local_type},
    }
    return config_with(parameters, layer_types=pattern)


def test_the_rotary_base_gets_the_name_of_release_4() -> None:
    config = rope_config(config_with({"rope_theta": 5e5, "rope_type": "default", "partial_rotary_factor": 0.5}))

    assert (config.rope_theta, config.rope_scaling, config.partial_rotary_factor) == (5e5, None, 0.5)


def test_rotary_scaling_keeps_all_its_numbers() -> None:
    config = rope_config(config_with({"rope_theta": 5e5, **LLAMA3}))

    assert (config.rope_theta, config.rope_scaling) == (5e5, LLAMA3)


def test_two_rotary_bases_and_the_pattern_of_windows() -> None:
    config = rope_config(nested([SLIDING, SLIDING, FULL] * 2 + [SLIDING]))

    assert (config.rope_theta, config.rope_local_base_freq, config.sliding_window_pattern) == (1e6, 777.0, 3)


@pytest.mark.parametrize(
    "config", [nested([SLIDING, FULL, FULL]), nested([SLIDING, FULL] * 2, local_type="linear")], ids=["types", "local"]
)
def test_what_release_4_cannot_express_is_refused(config: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match="transformers 4 cannot express"):
        rope_config(config)


def test_a_config_of_release_4_is_left_alone() -> None:
    config = SimpleNamespace(rope_theta=77.0)

    assert vars(rope_config(config)) == {"rope_theta": 77.0}


@pytest.mark.parametrize("key", TINY)
def test_a_tokenizer_is_the_same_when_read_from_its_files(key: str) -> None:
    folder = ROOT / TINY[key].source
    theirs, ours = AutoTokenizer.from_pretrained(folder, local_files_only=True), read_v5_tokenizer(folder)
    prompts = ["Name a color.", "Why is the sky blue?\n\n  2+2 = 4, isn't it?", "naïve 北 \U0001f600 <|im_end|>"]

    assert is_v5_tokenizer(folder)
    assert [chat_ids(ours, prompt) for prompt in prompts] == [chat_ids(theirs, prompt) for prompt in prompts]
    for name in ("pad_token_id", "eos_token_id", "bos_token_id", "padding_side", "model_max_length"):
        assert getattr(ours, name) == getattr(theirs, name), name
    ids = list(range(0, TINY[key].vocab, 3))
    decoded = [tokenizer.decode(ids, skip_special_tokens=True) for tokenizer in (ours, theirs)]
    assert decoded[0] == decoded[1]


@pytest.mark.parametrize(
    "extra",
    [["<one>", {"content": "<two>"}], {"first": "<one>", "second": {"content": "<two>"}}],
    ids=["list", "names"],
)
def test_further_special_tokens_are_special_too(checkpoint: Path, tmp_path: Path, extra: Any) -> None:
    folder = Path(shutil.copytree(checkpoint, tmp_path / "copy"))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "extra_special_tokens": extra}))

    tokenizer = read_v5_tokenizer(folder)

    one, two = tokenizer.convert_tokens_to_ids(["<one>", "<two>"])
    assert tokenizer.convert_ids_to_tokens([one, two]) == ["<one>", "<two>"], "neither is unknown"
    assert {one, two} <= set(tokenizer.all_special_ids)
    assert tokenizer.decode([one, 10, two], skip_special_tokens=True) == "w10"


def test_a_tokenizer_of_release_4_is_left_to_transformers(tmp_path: Path) -> None:
    assert not is_v5_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "Qwen2Tokenizer"}')
    assert not is_v5_tokenizer(tmp_path)


@pytest.mark.parametrize("lacking", ["HAS_ACCELERATE", "READS_V5_FILES"])
def test_a_model_is_the_same_without_accelerate_and_when_read_as_before_release_5(
    monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    spec = TINY["tiny_qwen2"]
    request = LoadRequest(spec, str(ROOT / spec.source), "float32")
    usual = request.load()
    batch = encode(usual.tokenizer, ["Name a color."])
    options = options_given(monkeypatch)
    monkeypatch.setattr(loader, lacking, False)
    monkeypatch.setattr(loader, "rope_config", lambda config: config)  # release 5 keeps both names in one place

    other = request.load()

    assert ("device_map" in options[-1], "config" in options[-1]) == (lacking != "HAS_ACCELERATE", lacking[0] == "R")
    assert encode(other.tokenizer, ["Name a color."]).ids.equal(batch.ids)
    ours, theirs = block_inputs(other, batch.inputs()), block_inputs(usual, batch.inputs())
    assert all(ours[boundary].equal(theirs[boundary]) for boundary in theirs)


def options_given(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Records what transformers is asked for."""
    options: list[dict[str, Any]] = []
    read = loader._read
    monkeypatch.setattr(loader, "_read", lambda *args, **given: (options.append(given), read(*args, **given))[1])
    return options


def test_a_config_that_release_4_cannot_express_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """tiny_gemma3's windows repeat every 4 blocks; here the last block gets another kind."""
    spec = TINY["tiny_gemma3"]
    monkeypatch.setattr(loader, "READS_V5_FILES", False)
    config = loader._read(loader.AutoConfig, spec, str(ROOT / spec.source))
    config.layer_types[-1] = SLIDING
    monkeypatch.setattr(loader.AutoConfig, "from_pretrained", lambda *_, **__: config)

    with pytest.raises(LoadProblem, match="layer_types do not repeat, which transformers 4 cannot express"):
        LoadRequest(spec, str(ROOT / spec.source), "float32").load()


def test_chunked_prefill_is_refused_where_it_would_be_ignored(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunked = replace(loaded, prefill_chunk=4)
    assert chunked.decoding(3).prefill_chunk_size == 4

    monkeypatch.setattr(compatibility, "GenerationConfig", SimpleNamespace)

    with pytest.raises(ToolUnsupported, match=r"transformers \d+\.\d+\.\d+ has no chunked prefill"):
        chunked.decoding(3)
    assert loaded.decoding(3).max_new_tokens == 3


def test_logits_are_limited_only_where_a_model_can() -> None:
    class Old(torch.nn.Module):
        def forward(self, input_ids: torch.Tensor) -> None: ...

    class New(torch.nn.Module):
        def forward(self, input_ids: torch.Tensor, logits_to_keep: int = 0) -> None: ...

    assert (last_logits_only(Old()), last_logits_only(New())) == ({}, {"logits_to_keep": 1})


def test_gemma2_gets_its_softcap_and_its_cache_before_release_5(monkeypatch: pytest.MonkeyPatch) -> None:
    gemma = SimpleNamespace(attn_logit_softcapping=50.0, cache_implementation="hybrid")
    qwen = SimpleNamespace()
    assert (default_attention(gemma), cache_option(SimpleNamespace(config=gemma))) == (None, {})

    monkeypatch.setattr(compatibility, "RELEASE", Version("4.49.0"))

    assert (default_attention(gemma), default_attention(qwen)) == ("eager", None)
    assert cache_option(SimpleNamespace(config=gemma)) == {"cache_implementation": "hybrid"}
    assert cache_option(SimpleNamespace(config=qwen)) == {}
