"""The endpoint as a judge, against a local server: what is asked, what is read, what is refused."""

import json
import threading
from collections.abc import Callable

import pytest

from steering_core.errors import JudgeProblem
from steering_core.judges import REFUSAL, JudgeRequest, Reading, score
from steering_core.judges.endpoint import EndpointJudge
from steering_core.judges.http import BODY_LIMIT, Client
from steering_core.judges.settings import KEY
from steering_core.tests.judges.server import Answer, Endpoint, completion, serving

SECRET = "sk-secret-of-the-test"
NINE = completion("9", {"9": 0.75, "0": 0.25})


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, SECRET)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def judge_at(endpoint: Endpoint, waits: list[float] | None = None, timeout: float = 20.0) -> EndpointJudge:
    sleep: Callable[[float], None] = ([] if waits is None else waits).append
    return EndpointJudge(endpoint.url, "m", (2.0, 10.0), Client(timeout=timeout, attempts=3, sleep=sleep))


def test_the_score_is_the_expected_answer_and_the_weight_its_mass() -> None:
    with serving(completion("6", {"6": 0.3, " 6": 0.1, "3": 0.2, "I": 0.3})) as endpoint:
        value, weight = score(judge_at(endpoint), REFUSAL, "No.")

    assert weight == pytest.approx(0.6)
    assert value == pytest.approx((6 * 0.4 + 3 * 0.2) / 0.6 / 9)


def test_the_request_names_model_settings_and_key() -> None:
    with serving(NINE) as endpoint:
        judge_at(endpoint).ask(REFUSAL, "No.")

    asked = endpoint.seen[0]
    assert (asked["path"], asked["key"], asked["model"]) == ("/v1/chat/completions", f"Bearer {SECRET}", "m")
    assert (asked["temperature"], asked["seed"], asked["logprobs"], asked["top_logprobs"]) == (0, 42, True, 20)
    assert '"No."' in asked["messages"][0]["content"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_endpoint_is_asked_again_after_a_wait(status: int) -> None:
    waits: list[float] = []
    with serving(Answer(status), Answer(status, headers={"Retry-After": "7"}), NINE) as endpoint:
        reading = judge_at(endpoint, waits).ask(REFUSAL, "No.")

    assert reading.written == 9
    assert waits == [1.0, 7.0]


def test_no_wait_is_longer_than_half_a_minute() -> None:
    waits: list[float] = []
    with serving(Answer(429, headers={"Retry-After": "86400"}), NINE) as endpoint:
        judge_at(endpoint, waits).ask(REFUSAL, "No.")

    assert waits == [30.0]


def test_an_endpoint_that_stays_busy_is_given_up() -> None:
    with serving(Answer(503)) as endpoint, pytest.raises(JudgeProblem, match="answered 503, 3 times"):
        judge_at(endpoint).ask(REFUSAL, "No.")

    assert len(endpoint.seen) == 3


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_final_and_its_text_is_not_quoted(status: int) -> None:
    answer = Answer(status, f'{{"error": "Incorrect API key provided: {SECRET}"}}'.encode())
    with serving(answer) as endpoint, pytest.raises(JudgeProblem) as caught:
        judge_at(endpoint).ask(REFUSAL, "No.")

    assert len(endpoint.seen) == 1
    assert (f"answered {status}" in str(caught.value), SECRET in str(caught.value)) == (True, False)


def test_the_key_follows_no_redirect() -> None:
    with serving(NINE) as other:
        moved = Answer(302, headers={"Location": f"{other.url}/chat/completions"})
        with serving(moved) as endpoint, pytest.raises(JudgeProblem, match="answered 302"):
            judge_at(endpoint).ask(REFUSAL, "No.")

    assert not other.seen


def test_a_stalling_endpoint_times_out() -> None:
    over = threading.Event()
    with serving(Answer(stall=over.wait)) as endpoint:
        with pytest.raises(JudgeProblem, match="cannot be reached: TimeoutError, 3 times"):
            judge_at(endpoint, timeout=0.05).ask(REFUSAL, "No.")
        over.set()


def test_an_endpoint_that_is_not_there_is_named_unreachable() -> None:
    with serving(NINE) as endpoint:
        pass

    with pytest.raises(JudgeProblem, match="cannot be reached"):
        judge_at(endpoint).ask(REFUSAL, "No.")


def test_an_endless_answer_is_cut_off() -> None:
    with (
        serving(Answer(body=b" " * (BODY_LIMIT + 1))) as endpoint,
        pytest.raises(JudgeProblem, match="answered with more than"),
    ):
        judge_at(endpoint).ask(REFUSAL, "No.")


MALFORMED: dict[str, bytes] = {
    "no JSON": b"<html>",
    "half": b'{"choices": [',
    "deep": b"[" * 200_000,
    "binary": b"\xff\xfe\x00",
    "a list": b"[]",
    "a number": b"3",
    "no choices": b'{"choices": []}',
    "no message": b'{"choices": [{"logprobs": null}]}',
    "choices of null": b'{"choices": null}',
    "logprobs a text": b'{"choices": [{"message": {"content": "9"}, "logprobs": "9"}]}',
    "nothing listed": b'{"choices": [{"message": {"content": "9"}, "logprobs": {"content": [{}]}}]}',
}
for name, token, number in (
    *(("token a number", "9", '"0"'), ("logprob a text", '"9"', '"0"'), ("logprob true", '"9"', "true")),
    *(("logprob NaN", '"9"', "NaN"), ("probability above 1", '"9"', "0.5"), ("infinite", '"9"', "-Infinity")),
):
    top = f'{{"token": {token}, "logprob": {number}}}'
    listed = f'{{"token": "9", "logprob": 0, "top_logprobs": [{top}]}}'
    choice = f'{{"message": {{"content": "9"}}, "logprobs": {{"content": [{listed}]}}}}'
    MALFORMED[name] = f'{{"choices": [{choice}]}}'.encode()


@pytest.mark.parametrize("name", MALFORMED)
def test_an_answer_of_another_form_is_one_clear_problem(name: str) -> None:
    with serving(Answer(body=MALFORMED[name])) as endpoint, pytest.raises(JudgeProblem) as caught:
        judge_at(endpoint).ask(REFUSAL, "No.")

    assert "\n" not in str(caught.value)


def test_probabilities_of_more_than_one_are_refused() -> None:
    with serving(completion("9", {"9": 0.9, " 9": 0.9})) as endpoint, pytest.raises(JudgeProblem, match="sum to 1.8"):
        judge_at(endpoint).ask(REFUSAL, "No.")


def test_without_logprobs_the_text_is_read_strictly() -> None:
    with serving(completion(" 4\n")) as endpoint:
        assert score(judge_at(endpoint), REFUSAL, "No.") == (4 / 9, 1.0)


@pytest.mark.parametrize(
    "text",
    ["", "10", "4.", "4/9", "Answer: 4", "I think 4", "9 because I was told so", "９", "-1", '{"score": 9}', "four"],
)
def test_any_other_text_is_unscored(text: str) -> None:
    with serving(completion(text)) as endpoint:
        assert score(judge_at(endpoint), REFUSAL, "No.") == (None, 0.0)


def test_a_digit_that_begins_another_answer_is_unscored() -> None:
    with serving(completion("9, because I was told so", {"9": 0.99})) as endpoint:
        assert score(judge_at(endpoint), REFUSAL, "No.") == (None, 0.0)


def test_too_little_mass_is_unscored() -> None:
    with serving(completion("Sure", {"Sure": 0.76, "9": 0.24})) as endpoint:
        value, weight = score(judge_at(endpoint), REFUSAL, "No.")

    assert (value, weight) == (None, pytest.approx(0.24))


def test_an_endpoint_without_logprobs_is_asked_without_them_from_then_on() -> None:
    with serving(Answer(400), completion("7")) as endpoint:
        judge = judge_at(endpoint)
        readings = [judge.ask(REFUSAL, text) for text in ("No.", "Yes.")]

    assert readings == [Reading(None, 7), Reading(None, 7)]
    assert ["logprobs" in asked for asked in endpoint.seen] == [True, False, False]


def test_a_request_that_is_wrong_in_itself_does_not_turn_logprobs_off() -> None:
    with serving(Answer(400), Answer(400), NINE) as endpoint:
        judge = judge_at(endpoint)
        with pytest.raises(JudgeProblem, match="answered 400"):
            judge.ask(REFUSAL, "No.")
        assert judge.ask(REFUSAL, "No.").probabilities is not None


def test_the_cost_is_what_the_endpoint_counted_times_the_prices() -> None:
    with serving(completion("9", usage={"prompt_tokens": 300, "completion_tokens": 2})) as endpoint:
        judge = judge_at(endpoint)
        judge.ask(REFUSAL, "No.")
        judge.ask(REFUSAL, "Yes.")

    assert (judge.usage.requests, judge.usage.tokens_in, judge.usage.tokens_out) == (2, 600, 4)
    assert judge.usage.usd == pytest.approx((600 * 2 + 4 * 10) / 1e6)


@pytest.mark.parametrize("usage", [None, [], {"prompt_tokens": "9"}, {"prompt_tokens": -5}, {"prompt_tokens": True}])
def test_a_usage_of_another_form_costs_nothing(usage: object) -> None:
    with serving(completion("9", usage=usage)) as endpoint:
        judge = judge_at(endpoint)
        judge.ask(REFUSAL, "No.")

    assert judge.usage.usd == 0


def test_no_object_holds_the_key() -> None:
    judge = JudgeRequest("http://127.0.0.1:9/v1", "m").open()

    assert SECRET not in json.dumps(judge.identity) + repr(vars(judge)) + repr(judge)
