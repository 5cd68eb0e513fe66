"""How many small defects of the core its tests and the parity checks see: `python -m parity.meta.mutation_campaign`.

One mutant at a time is written into a copy of the project. The unit tests of its room run first; if they pass, the
parity checks run on tiny_qwen2 with the hooks tool. A mutant that both accept survives, and is listed.
"""

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from parity.meta.copied_suite import copy_suite
from parity.meta.mutants import Mutant, mutants_of, mutated
from steering_core.places import ROOT

ROOMS = ("tools", "models", "directions", "measure", "observe")
CORE = Path("steering_core")
TIMEOUT = 300
"""Seconds for the tests, and for the checks; a mutant that takes longer is killed."""
PYTEST = ("pytest", "-q", "-x")
CHECKS = ("parity.meta.mutation_checks",)
Row = dict[str, str | int]


def all_mutants(rooms: Iterable[str]) -> list[Mutant]:
    """Every mutant of the rooms, file by file."""
    files = sorted(path for room in rooms for path in (ROOT / CORE / room).rglob("*.py"))
    return [
        mutant for path in files for mutant in mutants_of(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
    ]


def outcome(tree: Path, mutant: Mutant) -> str:
    """killed by tests | killed by checks | survived."""
    file, text = tree / mutant.file, (ROOT / mutant.file).read_text("utf-8")
    file.write_text(mutated(text, mutant.number), encoding="utf-8")
    try:
        tests = CORE / "tests" / Path(mutant.file).parts[1]
        if not passes(tree, (*PYTEST, str(tests))):
            return "killed by tests"
        # On a loaded machine a check can fail once for no reason of the mutant's: only a repeated failure counts.
        return "survived" if passes(tree, CHECKS) or passes(tree, CHECKS) else "killed by checks"
    finally:
        file.write_text(text, encoding="utf-8")


def check_unmutated(tree: Path, mutants: Iterable[Mutant]) -> None:
    """Exit with an error if tests or checks fail without any mutant: they would seem to kill everything."""
    rooms = sorted({Path(mutant.file).parts[1] for mutant in mutants})
    if not passes(tree, (*PYTEST, *(str(CORE / "tests" / room) for room in rooms))) or not passes(tree, CHECKS):
        sys.exit("tests or checks fail on the core as it is; no mutant was tried")


def passes(tree: Path, words: Sequence[str]) -> bool:
    """Whether `python -m words` in the copy ends with status 0 in time."""
    command = [sys.executable, "-B", "-m", *words]  # a stale .pyc would hide a mutant of the same size
    try:
        return subprocess.run(command, cwd=tree, capture_output=True, timeout=TIMEOUT).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def finished(results: Path) -> dict[tuple[str, int], Row]:
    """The stored rows, by file and number of the mutant."""
    lines = results.read_text("utf-8").splitlines() if results.exists() else []
    return {(row["file"], row["number"]): row for row in map(json.loads, lines)}


def campaign(mutants: Sequence[Mutant], results: Path, tree: Path) -> Iterator[Row]:
    """The row of each mutant, from the results file or measured now and appended to it."""
    rows = finished(results)
    for mutant in mutants:
        key = (mutant.file, mutant.number)
        if key not in rows:
            rows[key] = {**asdict(mutant), "outcome": outcome(tree, mutant)}
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[key]) + "\n")
        yield rows[key]


def summary(rows: Sequence[Row]) -> str:
    """The score and the survivors."""
    survivors = [f"  {row['place']}: {row['change']}" for row in rows if row["outcome"] == "survived"]
    by_checks = sum(row["outcome"] == "killed by checks" for row in rows)
    killed = len(rows) - len(survivors)
    share = f"{killed} of {len(rows)} mutants killed ({killed / len(rows):.1%}), {by_checks} by the parity checks alone"
    return "\n".join([share, f"{len(survivors)} survived" + ":" * bool(survivors), *survivors])


def main() -> None:
    """Run the campaign on a seeded sample, or on every mutant."""
    parser = argparse.ArgumentParser(prog="python -m parity.meta.mutation_campaign", description=__doc__)
    parser.add_argument("--rooms", default=",".join(ROOMS), help="folders of steering_core (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default: %(default)s)")
    parser.add_argument("--sample", type=int, metavar="K", help="how many mutants (default: all)")
    parser.add_argument("--results", type=Path, default=Path("mutants.jsonl"), help="one JSON line per mutant; resumed")
    options = parser.parse_args()
    mutants = all_mutants(options.rooms.split(","))
    chosen = random.Random(options.seed).sample(mutants, min(options.sample or len(mutants), len(mutants)))
    print(f"{len(chosen)} of {len(mutants)} mutants of {options.rooms}")
    with TemporaryDirectory() as folder:
        tree = Path(folder) / "suite"
        copy_suite(tree)
        check_unmutated(tree, chosen)
        rows = []
        for row in campaign(chosen, options.results, tree):
            rows.append(row)
            print(f"{row['outcome']}: {row['place']}: {row['change']}", flush=True)
    print(summary(rows))


if __name__ == "__main__":
    main()
