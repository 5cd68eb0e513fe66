"""Run the checks as shards, one per model, on the GPUs of this machine or of a Ray cluster, and judge them together."""

import argparse
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from reports.launch.join import join
from reports.launch.local import LocalPool
from reports.launch.machines import Farm, this_host
from reports.launch.planning import Launch, make_launch, read_launch, save_launch
from reports.launch.request import parse_request
from reports.launch.run_shard import is_complete
from reports.launch.schedule import Job, Pool, Schedule
from reports.launch.shards import GIGA
from reports.run.success import succeeded
from reports.terminal.screen import render
from reports.untrusted import safe_output
from reports.verdicts import conclusion_named, matches
from steering_core.errors import SuiteError, UsageProblem
from steering_core.places import RUNS

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
SHARDS, MERGED = "shards", "merged"
USAGE = "python -m reports.launch [OPTIONS] -- [OPTIONS OF PYTEST]"
EPILOG = """\
Every option after -- goes to pytest unchanged, except for -m and --model, of which each shard gets its part, and
--expect-outcome, which is compared with the verdict on everything.

A shard is one model, because the checks compare tools, and a comparison takes both in one run. A model is divided by
tool only when places would stay idle and no selected check concerns two tools or depends on another one's result.

The directory holds shards/NAME, the run of each shard, shards/NAME.log, what its pytest printed, and merged, the joined
run with its report. On Ray it must be on a file system that all nodes share, and so must the suite and the weights.

exit status, of the verdict on everything:
  0    every check holds or is a known deviation
  1    one does not, or was not measured, or --expect-outcome named another conclusion
  2    bad input: one line on standard error says what is wrong
  130  interrupted: the last line says how to continue

examples:
  python -m reports.launch -- parity -m "qwen7b or gemma9b" --gpu
  CUDA_VISIBLE_DEVICES=0,1 python -m reports.launch -- parity -m "qwen7b or gemma9b" --gpu --expect-outcome 4
  python -m reports.launch --address auto --run-dir /shared/run -- parity -m "qwen7b or gemma9b or llama8b" --gpu
  python -m reports.launch --resume /shared/run --address auto
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Plan, run, join; the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    cut = words.index("--") if "--" in words else len(words)
    with safe_output():
        options = build_parser().parse_args(words[:cut])
        try:
            return launch(options, words[cut + 1 :])
        except SuiteError as problem:
            print(f"error: {problem}", file=sys.stderr)
            return BAD_INPUT
        except KeyboardInterrupt:
            return INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """The options before the --."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(USAGE.partition(" [")[0], USAGE, __doc__, EPILOG, formatter_class=raw)
    add = parser.add_argument
    add("--run-dir", type=Path, metavar="DIR", help="where everything is written (default: reports/runs/<UTC time>)")
    add("--resume", type=Path, metavar="DIR", help="continue a launch; finished checks are kept. Nothing follows a --")
    add(
        "--address",
        metavar="A",
        help="of a running Ray cluster: auto, or HOST:PORT (default: this machine, without Ray)",
    )
    add("--jobs", type=_count, metavar="N", help="shards at a time on this machine (default: one per GPU, or 1)")
    add("--cpus", type=_count, default=1, metavar="N", help="CPU cores that a shard reserves on Ray (default: 1)")
    add(
        "--retries",
        type=_count_or_none,
        default=2,
        metavar="N",
        help="how often a lost shard is started again (default: 2)",
    )
    add("--expect-outcome", metavar="X", help="exit with 1 unless the verdict is X: 1 to 4, or a conclusion's name")
    add("--dry-run", action="store_true", help="print the shards and their commands, and run nothing")
    return parser


def launch(options: argparse.Namespace, passed: Sequence[str]) -> int:
    """A new launch, or the rest of an earlier one."""
    if options.expect_outcome:
        conclusion_named(options.expect_outcome)
    if options.resume and (passed or options.run_dir):
        hint = "give --resume alone; the launch is continued with the options that it was started with"
        raise UsageProblem("launch-resume", "--resume takes neither --run-dir nor options of pytest", hint)
    earlier = read_launch(options.resume.resolve()) if options.resume else None
    request = earlier.request if earlier else parse_request(passed)
    directory = earlier.directory if earlier else os.getcwd()
    pool, farm = open_pool(options, request.gpu, directory)
    try:
        begun = earlier or make_launch(request, farm)
        folder = (options.resume or options.run_dir or RUNS / f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}").resolve()
        print(describe(begun, farm, folder, options.dry_run), flush=True)
        if options.dry_run:
            return DONE
        if not earlier:
            save_launch(begun, folder)
        return run(begun, folder, pool, options)
    finally:
        pool.close()


def open_pool(options: argparse.Namespace, gpu: bool, directory: str) -> tuple[Pool, Farm]:
    """Where shards run, and what is there."""
    if options.address:
        from reports.launch.on_ray import RayPool

        cluster = RayPool(options.address, options.cpus, directory)
        return cluster, cluster.farm(gpu)
    host = this_host()
    farm = Farm(hosts=(host,), places=options.jobs or (len(host.gpus) if gpu else 1))
    return LocalPool(farm, directory), farm


def run(begun: Launch, folder: Path, pool: Pool, options: argparse.Namespace) -> int:
    """Run the shards that are not complete, join all, print the verdict; the exit status."""
    folders = {shard.name: folder / SHARDS / shard.name for shard in begun.shards}
    (folder / SHARDS).mkdir(exist_ok=True)
    jobs = [
        Job(shard, folders[shard.name], begun.request.arguments(shard.model, shard.tools))
        for shard in begun.shards
        if not is_complete(folders[shard.name])
    ]
    signal.signal(signal.SIGTERM, _interrupt)
    where = ["--address", options.address] if options.address else []
    again = shlex.join(["python", "-m", "reports.launch", "--resume", str(folder), *where])
    try:
        Schedule(jobs, pool, options.retries, _say).run()
    except KeyboardInterrupt:
        print(f"interrupted; continue with: {again}", flush=True)
        return INTERRUPTED
    failures = [f"{job.shard.name}: {job.failure}" for job in jobs if job.failure]
    print("".join(f"{line}\n" for line in failures) + (f"try again with: {again}" if failures else ""), flush=True)
    return conclude(begun, folders, folder / MERGED, options.expect_outcome or begun.request.expected)


def conclude(begun: Launch, folders: dict[str, Path], target: Path, expected: str | None) -> int:
    """Join, judge and print; the exit status."""
    joined, verdict = join(begun, folders, target)
    width = min(shutil.get_terminal_size((100, 40)).columns, 120)
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(render(joined, verdict, width, color, str(target)), end="", flush=True)  # before what stands below it
    if expected and not matches(verdict, expected):
        print(f"expected outcome {expected}, got {verdict.conclusion}", file=sys.stderr)
        return FAILED
    return DONE if succeeded(joined.plan, joined.records) else FAILED


def describe(begun: Launch, farm: Farm, folder: Path, commands: bool) -> str:
    """The shards in a table; with the command of each, if asked for."""
    gpus = [gpu for host in farm.hosts for gpu in host.gpus] if begun.request.gpu else []
    kinds = ", ".join(sorted({f"{gpu.name} of {gpu.memory / GIGA:.0f} GB" for gpu in gpus}))
    where = f"{len(gpus)} GPUs ({kinds})" if gpus else f"{farm.places} at a time"
    lines = [f"{len(begun.shards)} shards, {len(begun.whole.planned)} checks, on {where}; {folder}"]
    for shard in begun.shards:
        takes = f"{shard.gpus} x {shard.memory / GIGA:.1f} GB of GPU" if shard.gpus else f"{shard.memory / GIGA:.1f} GB"
        lines.append(f"  {shard.name}: {shard.cells} checks, about {takes}")
        if commands:
            lines.append(f"    {shlex.join(['pytest', *begun.request.arguments(shard.model, shard.tools)])}")
    return "\n".join(lines)


def _say(line: str) -> None:
    print(line, flush=True)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _count_or_none(text: str) -> int:
    return 0 if text == "0" else _count(text)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
