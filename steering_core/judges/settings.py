"""Which judge a run asks, checked before any model is loaded; imports neither torch nor transformers."""

import os
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from steering_core.errors import SuiteError, UsageProblem
from steering_core.models.architectures import architecture_of
from steering_core.models.unregistered import spec_of_checkpoint

if TYPE_CHECKING:
    from steering_core.judges.scoring import Judge

KEY = "JUDGE_API_KEY"
"""The environment variable with the endpoint's key."""
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
PLACES = "a Hugging Face directory, or the base URL of an OpenAI-compatible endpoint, like https://HOST/v1"


@dataclass(frozen=True)
class JudgeRequest:
    """place: a directory or a base URL. model: the model's name at the endpoint. prices: USD per million tokens read
    and written, or None. device: of a local judge. exact: a local judge is asked under exact arithmetic."""

    place: str
    model: str = ""
    prices: tuple[float, float] | None = None
    device: str = "cpu"
    exact: bool = False

    @property
    def is_endpoint(self) -> bool:
        """Whether it is a URL."""
        return "://" in self.place

    def check(self) -> None:
        """UsageProblem unless the judge can be opened: its key is there, or its directory and a known family."""
        if self.is_endpoint:
            self._check_endpoint()
        else:
            self._check_directory()

    def open(self) -> "Judge":
        """The judge; a local one is loaded at its first question."""
        self.check()
        if self.is_endpoint:
            from steering_core.judges.endpoint import EndpointJudge

            return EndpointJudge(self.place.rstrip("/"), self.model, self.prices or (0.0, 0.0))
        from steering_core.judges.local import LocalJudge

        return LocalJudge(Path(self.place).resolve(), self.device, self.exact)

    def _check_endpoint(self) -> None:
        # Only the scheme and the host are quoted: a URL may hold a password, and the message is logged.
        try:
            url, port = urlsplit(self.place), urlsplit(self.place).port
        except ValueError:
            raise UsageProblem("judge", "--judge is not a URL", PLACES) from None
        shown = f"--judge {url.scheme}://{url.hostname or ''}" + (f":{port}" if port else "")
        if url.username is not None or url.password is not None or url.query or url.fragment:
            raise UsageProblem("judge", f"{shown} holds more than a host and a path", f"the key belongs in {KEY}")
        if url.scheme not in ("http", "https") or not url.hostname:
            raise UsageProblem("judge", f"{shown} is not a base URL", PLACES)
        if url.scheme == "http" and url.hostname not in LOOPBACK:
            raise UsageProblem("judge", f"{shown} would send the key unencrypted", "https, or http to this machine")
        if not self.model:
            raise UsageProblem("judge", f"{shown} needs --judge-model", "the model's name at the endpoint")
        api_key()

    def _check_directory(self) -> None:
        if not Path(self.place).is_dir():
            raise UsageProblem("judge", f"--judge {self.place} is not a directory", PLACES)
        if self.model:
            raise UsageProblem("judge", "--judge-model goes with an endpoint, not with a directory", PLACES)
        try:
            architecture_of(spec_of_checkpoint(self.place, layer=0, multiplier=1.0).family)
        except SuiteError as problem:
            sentence = problem.sentence.replace("--model ", "--judge ")
            raise UsageProblem("judge", sentence, problem.hint) from None
        if not any(Path(self.place).glob("*.safetensors")):
            raise UsageProblem("judge", f"--judge {self.place} has no safetensors files", PLACES)


def api_key() -> str:
    """The key, read anew at every use, so that no object holds it; UsageProblem, without quoting it, if it is unusable."""
    key = os.environ.get(KEY, "").strip()
    if not key:
        raise UsageProblem("judge-key", f"{KEY} is not set in the environment", "the endpoint's key; any text if none")
    if not (key.isascii() and key.isprintable()):
        raise UsageProblem("judge-key", f"{KEY} is not one line of ASCII", "the key alone")
    return key


def read_prices(text: str | None) -> tuple[float, float] | None:
    """`0.4,1.6` -> USD per million tokens read and written; UsageProblem for anything else."""
    if text is None:
        return None
    try:
        read, written = map(float, text.split(","))
    except ValueError:
        read = written = -1.0
    if not all(isfinite(price) and price >= 0 for price in (read, written)):
        raise UsageProblem("judge-prices", f"--judge-prices {text!r} is not IN,OUT", "for example 0.4,1.6")
    return read, written
