"""The rows of a mutation campaign: stored as they come, found again when it is resumed, counted at its end."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from parity.meta.mutants import Mutant
from parity.meta.mutation_worker import Worker
from steering_core.places import ROOT
from steering_core.statistics import wilson_interval

Row = dict[str, Any]
"""A mutant's fields, `source` (digest of its file), `outcome`, `red` (tests or cells) and `seconds`."""
SURVIVED = "survived"


class Results:
    """The results file; the last row of a mutant counts. retry: those that survived are measured again."""

    def __init__(self, file: Path, retry: bool = False) -> None:
        self.file = file
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        rows = {_key(row): row for row in map(json.loads, lines)}
        self.rows = {key: row for key, row in rows.items() if not (retry and row["outcome"] == SURVIVED)}

    def find(self, mutant: Mutant) -> Row | None:
        """The stored row of the mutant, unless its file has changed since."""
        return self.rows.get((mutant.file, mutant.number, source(mutant.file)))

    def add(self, row: Row) -> None:
        """Store a row."""
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def _key(row: Row) -> tuple[str, int, str]:
    return row["file"], row["number"], row["source"]


@cache
def source(file: str) -> str:
    """What tells versions of a file apart."""
    return sha256((ROOT / file).read_bytes()).hexdigest()[:16]


def row_of(mutant: Mutant, worker: Worker) -> Row:
    """Measure a mutant; OutOfTime when the campaign ends before."""
    started = time.monotonic()
    measured = worker.measure(mutant)
    row = {**asdict(mutant), "source": source(mutant.file), "outcome": measured.outcome, "red": list(measured.red)}
    return row | {"seconds": round(time.monotonic() - started, 1)}


def summary(rows: Sequence[Row], chosen: int) -> str:
    """The score with its Wilson interval, who killed, and the survivors."""
    if not rows:
        return "no mutant was measured"
    counts = {word: sum(row["outcome"] == word for row in rows) for word in ("timed out", SURVIVED)}
    by = {word: sum(row["outcome"] == f"killed by {word}" for row in rows) for word in ("tests", "checks")}
    killed = len(rows) - counts[SURVIVED]
    low, high = wilson_interval(killed, len(rows))
    lines = [
        f"{killed} of {len(rows)} mutants killed: {killed / len(rows):.1%} (95 % interval {low:.1%} to {high:.1%}, Wilson)",
        f"{by['tests']} by tests, {by['checks']} by the parity checks alone, {counts['timed out']} timed out",
        f"{sum(row['seconds'] for row in rows) / len(rows):.1f} s per mutant; {chosen - len(rows)} not measured",
        f"{counts[SURVIVED]} survived" + ":" * bool(counts[SURVIVED]),
    ]
    survivors = sorted(
        (row for row in rows if row["outcome"] == SURVIVED), key=lambda row: (row["file"], row["number"])
    )
    return "\n".join([*lines, *(f"  {row['place']} {row['change']}" for row in survivors)])
