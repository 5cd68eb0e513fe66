"""The study's phase 1 summary as data: no directions, and in early files neither errors nor agreement."""

import re
from datetime import UTC, datetime

from pydantic import Field, model_validator

from reports.study.files import ERROR_TEXT, Aggregate, ReplaySource, SiteParity, stored_repeats
from reports.study.rates import Counts, PromptCount, whole_prompts
from reports.untrusted import plain
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Frozen

SUMMARY_CAVEATS = (
    "{model}: a summary without directions, layer, strength or commit; only the file name names the model",
    "{model}: the cosine between tools is the published mean over raw harmful activations, not that of directions",
)


class MethodStatus(Frozen):
    """Whether a tool finished, and the stored error message if it did not."""

    ok: bool
    error: str = ""


class SummaryArtifact(Frozen):
    """Phase 1 without directions, layer, strength, commit or model name; the earliest files hold only the rates."""

    saved: str
    summary: dict[str, Aggregate]
    method_status: dict[str, MethodStatus] = Field(default_factory=dict)
    tensor_site_parity: SiteParity | None = None
    eval_prompt_count: PromptCount | None = None

    @model_validator(mode="after")
    def _known_counts(self) -> "SummaryArtifact":
        self.counts()
        return self

    @property
    def rows(self) -> dict[str, Aggregate]:
        """The tools with numbers, by name, without those that the file itself calls failed."""
        failed = {tool for tool, status in self.method_status.items() if not status.ok}
        return {tool: row for tool, row in sorted(self.summary.items()) if tool not in failed}

    @property
    def parities(self) -> list[SiteParity]:
        """The study's comparison, if the file holds one."""
        return [self.tensor_site_parity] if self.tensor_site_parity else []

    def counts(self) -> dict[str, dict[int, Counts]]:
        """{tool: {repeat: prompts per class}}; ValueError when repeats differ, because only their mean is stored.

        Empty where the number of prompts is not stored.
        """
        counts: dict[str, dict[int, Counts]] = {}
        for tool, row in self.rows.items() if self.eval_prompt_count else ():
            rates = (row.coherent_rate, row.garbled_rate, row.normal_rate)
            if any(rate.min != rate.max for rate in rates):
                raise ValueError("rates vary between repeats and only their mean is stored: expected the full artifact")
            assert self.eval_prompt_count
            repeated = whole_prompts([rate.mean for rate in rates], self.eval_prompt_count)
            counts[tool] = dict.fromkeys(range(row.n_ok), repeated)
        return counts

    def problem_of(self, tool: str, repeat: int | None) -> str:
        """Why a tool has no numbers in a repeat, or in the whole file; empty when the file gives no reason."""
        status = self.method_status.get(tool)
        if status and not status.ok:
            return f"{tool} failed: {plain(status.error or 'no message is stored', ERROR_TEXT)}"
        if (row := self.summary.get(tool)) is None:
            return f"the file has no numbers of {tool}"
        return stored_repeats(row.n_ok) if repeat is not None and repeat >= row.n_ok else ""

    def origin(self, name: str) -> ReplaySource:
        """Model and time are known from file names alone; ArtifactProblem when `name` does not hold the model."""
        if (key := re.search(r"_([a-z]+-\d+b)_", name)) is None:
            sentence = f"{name} does not say which model it is about"
            raise ArtifactProblem("artifact-model", sentence, "keep the published file name")
        model = key[1].replace("-", "")
        caveats = tuple(caveat.format(model=model) for caveat in SUMMARY_CAVEATS)
        return ReplaySource(model, self._saved_at, {}, caveats)

    @property
    def _saved_at(self) -> datetime:
        """From the name that the file was saved under; the epoch when that name holds no time."""
        stamp = re.search(r"_(\d{8}_\d{6})\.json$", self.saved)
        try:
            return datetime.strptime(stamp[1] if stamp else "", "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            return datetime.fromtimestamp(0, UTC)
