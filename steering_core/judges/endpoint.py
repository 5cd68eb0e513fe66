"""Any OpenAI-compatible endpoint as a judge: chat completions, log-probabilities where it gives them."""

from typing import Any

from steering_core.errors import JudgeProblem
from steering_core.judges.http import HINT, Client, Unretried
from steering_core.judges.reading import Reading, read_text, read_tokens
from steering_core.judges.scoring import Usage
from steering_core.judges.settings import api_key
from steering_core.judges.template import Template

SETTINGS: dict[str, Any] = {"temperature": 0, "seed": 42, "max_tokens": 8}
"""More than one token, so that `9, because` is not cut to an answer."""
LOGPROBS: dict[str, Any] = {"logprobs": True, "top_logprobs": 20}
NO_LOGPROBS = {400, 422}
"""How endpoints refuse a parameter that they do not know."""


class EndpointJudge:
    """url: up to and including /v1. prices: USD per million tokens read and written. The key is in the environment."""

    def __init__(
        self, url: str, model: str, prices: tuple[float, float] = (0.0, 0.0), client: Client | None = None
    ) -> None:
        self.url, self.model, self.prices, self.client = url, model, prices, client or Client()
        self.usage, self.gives_logprobs = Usage(), True

    @property
    def identity(self) -> dict[str, Any]:
        """The address, the model's name and the settings of every request."""
        return {"url": self.url, "model": self.model, **SETTINGS, **LOGPROBS}

    def ask(self, template: Template, text: str) -> Reading:
        """One request; another one without log-probabilities when the endpoint refuses them."""
        answer = self._post(template.fill(text))
        self._count(answer)
        return parse(answer)

    def _post(self, prompt: str) -> Any:
        body = {"model": self.model, "messages": [{"role": "user", "content": prompt}], **SETTINGS}
        url = f"{self.url}/chat/completions"
        if self.gives_logprobs:
            try:
                return self.client.post(url, {**body, **LOGPROBS}, api_key())
            except Unretried as problem:
                if problem.status not in NO_LOGPROBS:
                    raise
        answer = self.client.post(url, body, api_key())
        self.gives_logprobs = False
        return answer

    def _count(self, answer: Any) -> None:
        """Add what the endpoint says it used, also for an answer that cannot be read."""
        usage = answer.get("usage") if isinstance(answer, dict) else None
        read, written = (_count_in(usage, name) for name in ("prompt_tokens", "completion_tokens"))
        self.usage.requests += 1
        self.usage.tokens_in += read
        self.usage.tokens_out += written
        self.usage.usd += (read * self.prices[0] + written * self.prices[1]) / 1e6


def parse(answer: Any) -> Reading:
    """A chat completion -> a reading; JudgeProblem for one of another form. A choice without log-probabilities is read
    by its text."""
    try:
        choice = answer["choices"][0]
        text, listed = choice["message"]["content"], (choice.get("logprobs") or {}).get("content")
        tokens = [(top["token"], top["logprob"]) for top in listed[0]["top_logprobs"]] if listed else []
        first = listed[0]["token"] if listed else ""
    except (LookupError, TypeError, AttributeError):
        raise JudgeProblem("judge-answer", "the judge's endpoint answered in an unknown format", HINT) from None
    if not all(isinstance(token, str) and _is_number(logprob) for token, logprob in tokens):
        raise JudgeProblem("judge-answer", "the judge's endpoint returned log-probabilities in an unknown format", HINT)
    written = read_text(text) if isinstance(text, str) else None
    if written is None and isinstance(first, str) and read_text(first) is not None:
        return Reading(None, None)  # `9, because ...`: the digit was the beginning of another answer
    return Reading(read_tokens(tokens) if tokens else None, written)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count_in(usage: Any, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
