"""How many small defects of the core its tests and the parity checks see: `python -m parity.meta.mutation_campaign`.

Each worker writes one mutant at a time into a copy of the project of its own. The unit tests of its room run first,
the nearest ones before the others; if they pass, the parity checks run on tiny_qwen2 with the hooks tool. A mutant that
both accept survives, and is listed. One that makes tests or checks hang is "timed out", and counts as killed: no run
with it ends well. Known equivalents (equivalent_mutants.toml) are neither tried nor counted. Nor are the adapters of
third-party tools: each needs an interpreter of its own with its tool, so no test of a room can reach them.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from functools import partial
from operator import methodcaller
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from parity.meta.mutants import Mutant, mutants_of, read_equivalents
from parity.meta.mutation_results import Results, Row, row_of, summary
from parity.meta.mutation_worker import PATIENCE, SHORTEST, OutOfTime, Worker, nearest_tests
from steering_core.places import ROOT

ROOMS = ("tools", "models", "directions", "measure", "observe")
CORE = Path("steering_core")
OUT_OF_REACH = CORE / "tools" / "third_party"
"""Adapters that run in interpreters of their own: parity/meta/test_stacks.py starts them where those exist."""
Answer = TypeVar("Answer")


def all_mutants(rooms: Iterable[str]) -> list[Mutant]:
    """Every mutant of the rooms, file by file, without the known equivalents and what no test can reach."""
    found = sorted(path for room in rooms for path in (ROOT / CORE / room).rglob("*.py"))
    files = [path for path in found if ROOT / OUT_OF_REACH not in path.parents]
    listed = (
        mutant for path in files for mutant in mutants_of(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
    )
    known = read_equivalents()
    return [mutant for mutant in listed if (mutant.file, mutant.line, mutant.change) not in known]


def shared(workers: Sequence[Worker], jobs: Iterable[Callable[[Worker], Answer]]) -> Iterator[Answer]:
    """The answers of the jobs, as they come; each job has a worker to itself. Jobs that are out of time have none."""
    free: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        free.put(worker)

    def run(job: Callable[[Worker], Answer]) -> Answer:
        worker = free.get()
        try:
            return job(worker)
        finally:
            free.put(worker)

    with ThreadPoolExecutor(len(workers)) as pool:
        for future in as_completed([pool.submit(run, job) for job in jobs]):
            if not isinstance(future.exception(), OutOfTime):
                yield future.result()


def check_unmutated(workers: Sequence[Worker], mutants: Sequence[Mutant]) -> None:
    """Exit with an error if tests or checks fail without any mutant: they would seem to kill everything. How long they
    take sets the limit of a run, so that a busy machine makes no mutant look like one that hangs."""
    tests = sorted({test for mutant in mutants for test in nearest_tests(mutant.file)})
    folders = sorted({Path(test).parent for test in tests})
    rooms = [tuple(test for test in tests if Path(test).parent == folder) for folder in folders]
    jobs = [methodcaller("red_checks"), *(methodcaller("red_tests", room) for room in rooms)]
    try:
        answers = list(shared(workers, [partial(timed, job) for job in jobs]))
    except TimeoutError as error:
        sys.exit(f"on the core as it is, {error}; no mutant was tried")
    if red := [name for names, _ in answers for name in names]:
        sys.exit(f"tests or checks fail on the core as it is, and no mutant was tried: {', '.join(red)}")
    if len(answers) < len(jobs):
        sys.exit("the time was over before tests and checks had run on the core as it is; no mutant was tried")
    for worker in workers:
        worker.limit = max(SHORTEST, PATIENCE * max(seconds for _, seconds in answers))


def timed(job: Callable[[Worker], Answer], worker: Worker) -> tuple[Answer, float]:
    """The answer of a job, and the seconds that it took."""
    started = time.monotonic()
    return job(worker), time.monotonic() - started


def campaign(mutants: Sequence[Mutant], results: Results, workers: Sequence[Worker]) -> Iterator[Row]:
    """The row of each mutant, from the results or measured now and added to them."""
    stored = [(mutant, results.find(mutant)) for mutant in mutants]
    yield from (row for _, row in stored if row)
    for row in shared(workers, [partial(row_of, mutant) for mutant, row in stored if not row]):
        results.add(row)
        yield row


def parsed(arguments: Sequence[str] | None) -> Any:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m parity.meta.mutation_campaign", description=__doc__)
    parser.add_argument("--rooms", default=",".join(ROOMS), help="folders of steering_core (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample and its order (default: %(default)s)")
    parser.add_argument("--sample", type=int, metavar="K", help="how many mutants (default: all)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="mutants at a time (default: %(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), metavar="M", help="then stop (default: no limit)"
    )
    parser.add_argument("--retry", action="store_true", help="try those again that survived, as the results say")
    parser.add_argument("--results", type=Path, default=Path("mutants.jsonl"), help="one JSON line per mutant; resumed")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the campaign on a seeded sample, or on every mutant in a seeded order."""
    options = parsed(arguments)
    deadline = time.monotonic() + 60 * options.minutes
    mutants = all_mutants(options.rooms.split(","))
    chosen = random.Random(options.seed).sample(mutants, min(options.sample or len(mutants), len(mutants)))
    print(f"{len(chosen)} of {len(mutants)} mutants of {options.rooms}", flush=True)
    rows = []
    with TemporaryDirectory() as folder, ExitStack() as stack:
        places = [Path(folder) / str(number) for number in range(options.workers)]
        workers = [stack.enter_context(Worker(place, deadline)) for place in places]
        check_unmutated(workers, chosen)
        for row in campaign(chosen, Results(options.results, options.retry), workers):
            rows.append(row)
            print(f"{row['outcome']}: {row['place']}: {row['change']}", flush=True)
    print(summary(rows, len(chosen)))


if __name__ == "__main__":
    main()
