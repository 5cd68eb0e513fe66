"""`--follow`: runs the conditions that decisions ask for, in sessions that continue the same run.

Each round is a process of its own: a session cannot collect further checks once its workers have begun, and another
process needs none of the memory that this one's models took.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from reports.review.files import count_kept
from reports.untrusted import harmless
from reports.verdicts.sweeps import next_conditions
from steering_core.errors import SuiteError
from steering_core.records.followed import Asked, read_followed, without_followed, write_followed
from steering_core.records.journal import PLAN, finished, in_order, read_journal
from steering_core.records.record import Plan, Record, Run

ROUNDS = 4
"""The plan's decisions take two: a finer sweep of a partial family, then the sizes of those that work."""
ENDED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
PLACES = ("--run-dir", "--resume")


def follow(config: pytest.Config, status: Any) -> Any:
    """The exit status of the last round, or of the session itself if there is none."""
    option = config.getoption
    silent = hasattr(config, "workerinput") or option("collectonly") or option("follow_round")
    if silent or not option("follow") or status not in ENDED:
        return status
    folder = Path(option("run_dir"))
    try:
        while next_round(folder):
            code = run_round(command(config, folder), config.invocation_params.dir)
            if code not in ENDED or unfinished(folder):
                return code or pytest.ExitCode.TESTS_FAILED
            write_followed(folder, read_followed(folder).finished())
            status = pytest.ExitCode(code)
    except SuiteError as problem:
        print(harmless(f"--follow: {problem}"), file=sys.stderr)
        return pytest.ExitCode.INTERNAL_ERROR
    return status


def run_round(arguments: Sequence[str], directory: Path) -> int:
    """The exit status of a round. Ctrl-C reaches the round as well, which then ends in order: it is waited for."""
    with subprocess.Popen(arguments, cwd=directory) as running:
        while True:
            try:
                return running.wait()
            except KeyboardInterrupt:
                say("interrupted; waiting for the round to end", False)


def next_round(folder: Path) -> bool:
    """Whether another round is to be run; writes down what it consists of, unless an interrupted one has."""
    if not (folder / PLAN).exists():
        return False
    plan, records = recorded(folder)
    followed = read_followed(folder)
    if missing := set(without_followed(plan).planned) - {record.cell for record in records}:
        return say(f"{len(missing)} planned checks have no record; nothing is decided before they have one", False)
    if followed.pending:
        return say(f"continuing round {len(followed.rounds)}", True)
    reviews = count_kept(folder, Run(plan=plan, records=records))
    wanted = [Asked(**asdict(condition)) for condition in next_conditions(records, reviews)]
    elsewhere = [condition.words for condition in wanted if condition.model not in plan.models]
    here = [one for one in wanted if one.model in plan.models and one not in followed.conditions]
    if elsewhere:
        say(f"called for, but on models that are not in this run: {', '.join(elsewhere)}", False)
    if not here:
        return say("no decision calls for a further condition on this run's models", False)
    if len(followed.rounds) >= ROUNDS:
        return say(f"{ROUNDS} rounds are done; decisions still call for {len(here)} conditions", False)
    write_followed(folder, followed.asking(here))
    return say(f"round {len(followed.rounds) + 1}: {', '.join(one.words for one in here)}", True)


def recorded(folder: Path) -> tuple[Plan, tuple[Record, ...]]:
    """The plan of a run, and its finished records in the plan's order."""
    plan = Plan.model_validate_json((folder / PLAN).read_text(encoding="utf-8"))
    return plan, in_order(finished(read_journal(folder)), plan.planned)


def unfinished(folder: Path) -> bool:
    """Whether a planned cell has no record that a resumed run would keep."""
    plan, records = recorded(folder)
    return bool(set(plan.planned) - {record.cell for record in records})


def command(config: pytest.Config, folder: Path) -> list[str]:
    """The command line of the session, as a round that resumes its run."""
    given = without_places([str(argument) for argument in config.invocation_params.args])
    return [sys.executable, "-m", "pytest", *given, "--resume", str(folder), "--follow-round"]


def without_places(arguments: Sequence[str]) -> list[str]:
    """The arguments without --run-dir and --resume, and their values."""
    kept, skipped = [], False
    for argument in arguments:
        if not skipped and argument.partition("=")[0] not in PLACES:
            kept.append(argument)
        skipped = not skipped and argument in PLACES
    return kept


def say(sentence: str, answer: bool) -> bool:
    """Print a line, and pass the answer on."""
    print(harmless(f"--follow: {sentence}"), flush=True)
    return answer
