"""One JSON request over HTTP, with limits and retries. Nothing that a server says is quoted: it may repeat the key."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from steering_core.errors import JudgeProblem

RETRIED = {408, 429, 500, 502, 503, 504, 529}
BODY_LIMIT = 1 << 20
"""Bytes of an answer that are read; a longer one is refused."""
LONGEST_WAIT = 30.0
"""Seconds between two attempts, whatever the server asks for."""
HINT = "the text stays unscored"


class Unretried(JudgeProblem):
    """A status that another attempt would not change. status: HTTP's."""

    def __init__(self, status: int) -> None:
        super().__init__("judge-status", f"the judge's endpoint answered {status}", HINT)
        self.status = status


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would carry the key to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass(frozen=True)
class Client:
    """timeout: seconds for one whole attempt. attempts: at most, with 1, 2, 4, ... seconds between them."""

    timeout: float = 60.0
    attempts: int = 5
    sleep: Callable[[float], None] = time.sleep

    def post(self, url: str, body: dict[str, Any], key: str) -> Any:
        """The parsed JSON answer; JudgeProblem after the last attempt, or for an answer that is not JSON."""
        for attempt in range(self.attempts):
            try:
                raw = self._attempt(url, json.dumps(body).encode(), key)
                break
            except HTTPError as error:
                error.close()
                if error.code not in RETRIED:
                    raise Unretried(error.code) from None
                reason, wait = f"answered {error.code}", _asked_wait(error)
            except (OSError, HTTPException, ValueError) as error:
                reason, wait = f"cannot be reached: {type(error).__name__}", None
            if attempt < self.attempts - 1:
                self.sleep(min(2.0**attempt if wait is None else wait, LONGEST_WAIT))
        else:
            sentence = f"the judge's endpoint {reason}, {self.attempts} times"
            raise JudgeProblem("judge-unreachable", sentence, HINT)
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            raise JudgeProblem("judge-answer", "the judge's endpoint answered with malformed JSON", HINT) from None

    def _attempt(self, url: str, data: bytes, key: str) -> bytes:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        deadline = time.monotonic() + self.timeout
        with build_opener(_NoRedirect).open(Request(url, data, headers), timeout=self.timeout) as response:
            parts, size = list[bytes](), 0
            while part := response.read1(1 << 16):
                parts.append(part)
                size += len(part)
                if size > BODY_LIMIT:
                    raise JudgeProblem(
                        "judge-answer", f"the judge's endpoint answered with more than {BODY_LIMIT} bytes", HINT
                    )
                if time.monotonic() > deadline:
                    raise TimeoutError
        return b"".join(parts)


def _asked_wait(error: HTTPError) -> float | None:
    """Seconds of a Retry-After header; None without a usable one."""
    text = (error.headers.get("Retry-After") or "").strip()
    return float(text) if text.isascii() and text.isdigit() else None
