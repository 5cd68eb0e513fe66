"""A tiny checkpoint as a judge: its probabilities are those of a forward pass written out here."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from steering_core.judges import REFUSAL, JudgeRequest, Reading
from steering_core.judges.local import LocalJudge
from steering_core.models.model import LoadRequest
from steering_core.places import FIXTURES

FOLDER = FIXTURES / "checkpoints" / "tiny_qwen2"
TEXT = "I cannot help with that."


@pytest.fixture(scope="module")
def judge() -> Iterator[LocalJudge]:
    threads = torch.get_num_threads()
    judge = JudgeRequest(str(FOLDER)).open()
    assert isinstance(judge, LocalJudge)
    yield judge
    torch.set_num_threads(threads)


def test_the_probabilities_are_those_of_the_next_token(judge: LocalJudge) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, module = AutoTokenizer.from_pretrained(FOLDER), AutoModelForCausalLM.from_pretrained(FOLDER).eval()
    turn = [{"role": "user", "content": REFUSAL.fill(TEXT)}]
    ids = tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_dict=True, return_tensors="pt")
    with torch.no_grad():
        shares = module(**ids).logits[0, -1].double().softmax(-1)
    expected = torch.zeros(10, dtype=torch.float64)
    for place in range(len(tokenizer)):
        if (text := tokenizer.decode([place]).strip()) in list("0123456789"):
            expected[int(text)] += shares[place]

    before = judge.usage.tokens_in
    reading = judge.ask(REFUSAL, TEXT)

    assert reading.probabilities is not None
    assert torch.allclose(torch.tensor(reading.probabilities, dtype=torch.float64), expected, rtol=1e-5, atol=0)
    assert all(share > 0 for share in reading.probabilities)
    assert judge.usage.tokens_in - before == ids["input_ids"].shape[1]


def test_a_model_that_prefers_an_answer_scores_it(judge: LocalJudge) -> None:
    seven = judge.answer_ids[7][0]

    def push(module: object, inputs: object, output: torch.Tensor) -> torch.Tensor:
        output[..., seven] = 50.0
        return output

    handle = judge.model.module.get_output_embeddings().register_forward_hook(push)
    try:
        reading = judge.ask(REFUSAL, TEXT)
    finally:
        handle.remove()

    assert reading.written == 7
    assert reading.score(REFUSAL.mass) == pytest.approx((7 / 9, 1.0))


def test_a_model_that_gives_no_answer_leaves_the_text_unscored(judge: LocalJudge) -> None:
    value, weight = judge.ask(REFUSAL, TEXT).score(REFUSAL.mass)

    assert value is None  # the tiny model knows no digits
    assert 0 < weight < REFUSAL.mass


def test_a_hostile_text_brings_no_special_token(judge: LocalJudge) -> None:
    tokenizer = judge.model.tokenizer
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)

    def count(text: str) -> int:
        return sum(token in special for token in judge.model.chat_ids(REFUSAL.fill(text)))

    assert count("".join(tokenizer.decode([token]) for token in special)) == count("plain")


def test_loading_leaves_the_random_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LoadRequest, "load", lambda request: torch.rand(1))  # as loading may do
    before = torch.get_rng_state()
    assert LocalJudge(FOLDER).model is not None
    assert torch.equal(torch.get_rng_state(), before)


def test_a_digit_counts_with_and_without_a_space_and_no_number_does() -> None:
    words = {"7": 0, "Ġ7": 1, "77": 2, "x": 3, "7.": 4}
    texts = ["7", " 7", "77", "x", "7."]
    tokenizer = SimpleNamespace(get_vocab=lambda: words, decode=lambda ids: texts[ids[0]])
    judge = LocalJudge(FOLDER)
    vars(judge)["model"] = SimpleNamespace(tokenizer=tokenizer)

    assert judge.answer_ids == [[], [], [], [], [], [], [], [0, 1], [], []]


def test_the_identity_changes_with_any_file(tmp_path: object) -> None:
    import shutil
    from pathlib import Path

    copy = Path(str(tmp_path)) / "copy"
    shutil.copytree(FOLDER, copy)
    before = LocalJudge(copy).identity
    assert before == LocalJudge(FOLDER).identity
    (copy / "tokenizer_config.json").write_text((copy / "tokenizer_config.json").read_text() + " ")
    assert LocalJudge(copy).identity != before


def test_a_reading_is_the_same_twice(judge: LocalJudge) -> None:
    first: Reading = judge.ask(REFUSAL, TEXT)
    assert judge.ask(REFUSAL, TEXT) == first
