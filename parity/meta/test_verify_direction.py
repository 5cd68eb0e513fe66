"""`python -m parity.verify direction`: a saved direction is judged by what transformers itself returned, and each common
mistake is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from parity.verify.__main__ import BAD_INPUT, DONE, FAILED, main
from parity.verify.causes import Candidate, candidates
from parity.verify.direction import Comparison, compare_direction
from parity.verify.direction_file import read_direction
from steering_core.errors import UsageProblem
from steering_core.models.load import load
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.places import PROMPTS
from steering_core.prompts import read_prompts

LAYER = 4
REQUESTED = Site("resid_post", LAYER)
SETS = read_prompts(PROMPTS)
Judge = Callable[[Tensor], Comparison]


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load("tiny_qwen2")


@pytest.fixture(scope="module")
def judge(model: LoadedModel) -> Judge:
    """Compares a vector with the candidates of block 4, which are computed once."""
    tried = list(candidates(model, SETS, REQUESTED))
    return lambda saved: compare_direction(saved.double(), tried, REQUESTED, "float32")


def hidden_states(model: LoadedModel, text: str, **settings: Any) -> tuple[Tensor, ...]:
    """What transformers returns for one prompt alone: [seq, hidden] each, the embedding first."""
    ids = rendered(model, text, **settings) if settings.pop("template", True) else model.tokenizer(text)["input_ids"]
    with torch.no_grad():
        output = model.module(input_ids=torch.tensor([ids]), output_hidden_states=True)
    return tuple(hidden[0] for hidden in output.hidden_states)


def rendered(model: LoadedModel, text: str, **_: Any) -> list[int]:
    """The ids of one user turn, ready for the answer."""
    turn = [{"role": "user", "content": text}]
    return list(model.tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_dict=True)["input_ids"])


def means_apart(model: LoadedModel, entry: int, pick: Callable[[Tensor], Tensor], **settings: Any) -> Tensor:
    """mean(harmful) - mean(harmless) of one entry of hidden_states, prompt by prompt."""
    rows = [
        torch.stack([pick(hidden_states(model, text, **settings)[entry]) for text in texts]).mean(0)
        for texts in (SETS.harmful, SETS.harmless)
    ]
    return rows[0] - rows[1]


def last(hidden: Tensor) -> Tensor:
    return hidden[-1]


def batched(model: LoadedModel, side: str, masked: bool) -> Tensor:
    """The direction of the last column of one padded batch."""
    ids = [rendered(model, text) for text in SETS.extraction]
    width, padding = max(map(len, ids)), model.tokenizer.pad_token_id
    fill = [[padding] * (width - len(row)) for row in ids]
    rows = [more + row if side == "left" else row + more for row, more in zip(ids, fill, strict=True)]
    mask = torch.tensor([[int(not masked or token != padding) for token in row] for row in rows])
    with torch.no_grad():
        output = model.module(input_ids=torch.tensor(rows), attention_mask=mask, output_hidden_states=True)
    column = output.hidden_states[LAYER + 1][:, -1]
    return column[: len(SETS.harmful)].mean(0) - column[len(SETS.harmful) :].mean(0)


def test_the_canonical_direction_is_right_whatever_its_length(model: LoadedModel, judge: Judge) -> None:
    direction = means_apart(model, LAYER + 1, last)

    assert (judge(direction).right, judge(direction / direction.norm()).right) == (True, True)
    assert judge(direction).error < 1e-4
    assert judge(direction / direction.norm()).lines("x.npy", REQUESTED)[-1].startswith("It has unit length; ")
    assert "3 times the canonical one's" in judge(3 * direction).lines("x.npy", REQUESTED)[-1]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (LAYER, "resid_post@3 at the last prompt token. Cause: one block too early; hidden_states[n] is the output of"),
        (LAYER + 2, "resid_post@5 at the last prompt token. Cause: one block too late."),
        (LAYER + 3, "Cause: 2 blocks too late."),
        (-1, "Cause: after the final norm"),
    ],
)
def test_another_layer_is_named(model: LoadedModel, judge: Judge, entry: int, words: str) -> None:
    assert words in judge(means_apart(model, entry, last)).cause


@pytest.mark.parametrize(
    ("pick", "words"),
    [
        (lambda hidden: hidden[-2], "Cause: 1 token before the last."),
        (lambda hidden: hidden.mean(0), "Cause: averaged over the prompt's tokens instead of read at the last one."),
    ],
    ids=["position", "mean"],
)
def test_another_position_is_named(
    model: LoadedModel, judge: Judge, pick: Callable[[Tensor], Tensor], words: str
) -> None:
    assert words in judge(means_apart(model, LAYER + 1, pick)).cause


def test_a_flipped_sign_is_named_alone_and_beside_another_cause(model: LoadedModel, judge: Judge) -> None:
    flipped = judge(-means_apart(model, LAYER + 1, last))
    both = judge(-means_apart(model, LAYER, last))

    assert not flipped.right
    assert "Cause: sign flipped (harmless minus harmful)." in flipped.cause
    assert "Cause: sign flipped (harmless minus harmful); one block too early" in both.cause


@pytest.mark.parametrize(
    ("side", "masked", "words"),
    [
        ("right", True, "read in the last column, which holds padding in a right-padded batch"),
        ("left", False, "without an attention mask: padding is attended to"),
    ],
)
def test_padding_is_named(model: LoadedModel, judge: Judge, side: str, masked: bool, words: str) -> None:
    assert judge(batched(model, "left", masked=True)).right
    assert words in judge(batched(model, side, masked)).cause


def test_counted_padding_is_named_where_positions_are_absolute() -> None:
    model = load("tiny_gpt2")
    site = Site("resid_post", LAYER)
    tried = candidates(model, SETS, site)

    comparison = compare_direction(batched(model, "left", masked=True).double(), tried, site, "float32")

    assert "Cause: without position_ids: left padding is counted." in comparison.cause


def test_a_missing_template_is_named(model: LoadedModel, judge: Judge) -> None:
    assert "without the chat template" in judge(means_apart(model, LAYER + 1, last, template=False)).cause


def test_no_cause_is_claimed_for_something_else(judge: Judge) -> None:
    noise = torch.randn(64, generator=torch.Generator().manual_seed(0))

    assert "no known mistake gives it" in judge(noise).cause


def test_a_vector_of_another_width_is_refused() -> None:
    with pytest.raises(UsageProblem, match="the saved direction has 3 components, the model 2"):
        compare_direction(torch.ones(3), [Candidate(torch.ones(2), REQUESTED)], REQUESTED, "float32")


@pytest.mark.parametrize("suffix", ["npy", "safetensors"])
def test_the_command_reads_both_formats(
    model: LoadedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    right, wrong = means_apart(model, LAYER + 1, last), means_apart(model, LAYER, last)
    for name, vector in (("right", right), ("wrong", wrong)):
        path = tmp_path / f"{name}.{suffix}"
        np.save(path, vector.numpy()) if suffix == "npy" else save_file({"v": vector[None].contiguous()}, path)

    asked = ("--model", "tiny_qwen2", "--layer", str(LAYER))
    assert main(["direction", str(tmp_path / f"right.{suffix}"), *asked]) == DONE
    assert "It is the canonical direction." in capsys.readouterr().out
    assert main(["direction", str(tmp_path / f"wrong.{suffix}"), *asked]) == FAILED
    assert "one block too early" in capsys.readouterr().out


def write(path: Path, content: Any) -> Path:
    """A .npy file, with pickled objects where the content needs them; a .safetensors file of a dictionary."""
    save_file(content, path) if isinstance(content, dict) else np.save(path, content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.npy", np.array([{"run": "me"}], dtype=object), "allow_pickle=False"),
        ("a.npy", np.ones((2, 3)), "has shape [2, 3]"),
        ("a.npy", np.zeros(3), "is zero, or not finite"),
        ("a.npy", np.array([1.0, np.nan]), "is zero, or not finite"),
        ("a.npy", np.array(["a", "b"]), "not numbers"),
        ("a.safetensors", {"x": torch.ones(3), "y": torch.ones(3)}, "--key names one of x, y"),
    ],
)
def test_a_file_that_holds_something_else_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: Any, words: str
) -> None:
    status = main(["direction", str(write(tmp_path / name, content)), "--model", "tiny_qwen2"])

    out, error = capsys.readouterr()
    assert (status, out, error.count("\n")) == (BAD_INPUT, "", 1)
    assert words in error


@pytest.mark.parametrize("name", ["absent.npy", "direction.pt", "cut.safetensors"])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str) -> None:
    if not name.startswith("absent"):
        (tmp_path / name).write_bytes(b"\x80\x02}q\x00.")

    with pytest.raises(UsageProblem, match="cannot be read"):
        read_direction(tmp_path / name)


def test_a_tensor_is_chosen_by_its_key(tmp_path: Path) -> None:
    path = write(tmp_path / "a.safetensors", {"x": torch.tensor([1.0, 2.0]), "y": torch.tensor([3.0, 4.0])})

    assert read_direction(path, "y").tolist() == [3.0, 4.0]
