"""A run with --judge: its counts stand in B1's records, rates stay what they were, and the key is written nowhere."""

import json
from pathlib import Path
from typing import Any

import pytest

from parity.meta.forked_runs import ForkedRuns
from steering_core.hosts import variables
from steering_core.judges.settings import KEY
from steering_core.tests.judges.server import completion, serving

SECRET = "sk-secret-of-the-run"
RUN = ("parity", "-m", "tiny_qwen2", "-q", "-k", "test_rates", "--tools", "hooks", "--repeats", "1", "--no-gate")
VARIABLES = {KEY: SECRET, "no_proxy": "127.0.0.1"}
USAGE = {"prompt_tokens": 100, "completion_tokens": 1}


def rates(run: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()[1:-1]]
    return [record["measured"] for record in records if record["cell"]["clause"] == "B1"]


def test_an_endpoint_judges_the_answers_of_a_run(runs: ForkedRuns, tmp_path: Path) -> None:
    log, run = tmp_path / "log", tmp_path / "run"
    with serving(completion("9", {"9": 0.9, "1": 0.1}, USAGE)) as endpoint:
        asked = ("--judge", endpoint.url, "--judge-model", "m", "--judge-prices", "1000,0", "--budget-usd", "1000")
        runs.run(*RUN, *asked, "--run-dir", str(run), log=log, variables=VARIABLES)

    first, second = rates(run)
    assert (first["judge"]["coherent"], first["judge"]["unscored"]) == (30, 0), log.read_text()
    assert first["judge"]["agreeing"] == first["coherent"]
    assert first["judge"]["usd"] == pytest.approx(len(endpoint.seen) * 0.1)
    assert second["judge"]["usd"] == 0  # the same answers, from the store
    assert {asked["key"] for asked in endpoint.seen} == {f"Bearer {SECRET}"}
    header = json.loads((run / "records.jsonl").read_text().partition("\n")[0])
    assert header["environment"]["cost_usd"] > first["judge"]["usd"]
    assert "Judge     agrees with the classifier on" in log.read_text()
    written = [file for file in tmp_path.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]
    assert not written


def test_a_judge_that_refuses_leaves_the_rates(runs: ForkedRuns, tmp_path: Path) -> None:
    from steering_core.tests.judges.server import Answer

    log, run = tmp_path / "log", tmp_path / "run"
    with serving(Answer(401)) as endpoint:
        asked = ("--judge", endpoint.url, "--judge-model", "m", "--run-dir", str(run))
        runs.run(*RUN, *asked, log=log, variables=VARIABLES)

    assert len(endpoint.seen) == 3
    for measured in rates(run):
        assert measured["coherent"] + measured["garbled"] + measured["normal"] == 30
        assert measured["judge"]["unscored"] == 30
        assert "answered 401" in measured["judge"]["problem"]
    assert "answered 401" in " ".join(log.read_text().split())


def test_tools_do_not_get_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, SECRET)
    assert KEY not in variables.environment()
