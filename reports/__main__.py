"""`python -m reports`: judge, join, show and export stored runs; nothing is measured here."""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from reports.inputs import read_inputs
from reports.page import write_views
from reports.page.finding_parts import finding_schemas
from reports.page.history import check_history
from reports.rejudge import JudgedRun, judge_inputs, tables
from reports.review.files import count_kept, keep_review, read_review, write_sheet
from reports.run.artifact import json_schemas, read_run, write_run
from reports.run.merge import copy_tensors, merge_runs
from reports.run.storage import replace_files
from reports.run.v3 import write_v3
from reports.sweeps.review import count_reviews
from reports.untrusted import plain, safe_output
from reports.verdicts import judge, matches
from reports.verdicts.judgment import RULES
from reports.verdicts.rule import rules_table
from steering_core.errors import SuiteError, UsageProblem
from steering_core.records.clauses import clauses_page

DONE, UNEXPECTED, BAD_INPUT = 0, 1, 2
CHANGED = UNEXPECTED
Run = Callable[[argparse.Namespace], int]
AddCommand = Callable[[Run, str], Callable[..., argparse.Action]]
"""Adds a subcommand with its help, and returns what adds its arguments."""
EPILOG = """\
exit status:
  0  done
  1  --expect-outcome named another conclusion; compare: a check changed its outcome
  2  bad input, or --expect-outcome without a verdict: one line on standard error says what is wrong

examples:
  python -m reports verdict reports/runs/20260101-120000-000000
  python -m reports verdict modal_qwen-7b_20260219_130630.json modal_gemma-9b_20260219_203953.json --expect-outcome 4
  python -m reports compare run-with-old-versions run-with-new-versions --into changes
  python -m reports merge run-on-a run-on-b --into joined
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; the exit status."""
    with safe_output():
        options = build_parser().parse_args(arguments)
        try:
            status = int(options.run(options))
            sys.stdout.flush()
        except (SuiteError, OSError) as problem:
            print(f"error: {problem if isinstance(problem, SuiteError) else _describe(problem)}", file=sys.stderr)
            return BAD_INPUT
        return status


def _describe(problem: OSError) -> str:
    """A name too long, standard output on a full disk: what the system says, in one line."""
    if problem.filename is None:  # standard output; what it still holds must not be tried once more at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return f"standard output cannot be written: {problem.strerror}"
    return plain(f"{problem.filename} cannot be read: {problem.strerror}", 500)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m reports", description=__doc__, epilog=EPILOG, formatter_class=raw)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")

    def command(run: Run, text: str) -> Callable[..., argparse.Action]:
        added = commands.add_parser(run.__name__.removeprefix("run_"), help=text)
        added.set_defaults(run=run)
        return added.add_argument

    _add_judging(command)
    _add_writing(command)
    return parser


def _add_judging(command: AddCommand) -> None:
    paths = "run directory, records.jsonl, or published *.json"
    outcome = "exit 1 unless every verdict is X: 1 to 4, or a conclusion's name"
    add = command(
        run_verdict, "judge stored runs, the study's published files or interp-engine's results, and print the verdict"
    )
    add("paths", nargs="+", type=Path, metavar="PATH", help=paths)
    add("--expect-outcome", metavar="X", help=outcome)

    add = command(run_merge, "join runs of other models, tools or machines into one, and judge it")
    add("paths", nargs="+", type=Path, metavar="RUN", help="run directories")
    add("--into", required=True, type=Path, metavar="DIR", help="new directory for the joined run")

    add = command(run_render, "write report.html, report.md and badge.svg of a run again")
    add("path", type=Path, metavar="RUN", help="run directory or records.jsonl")
    add("--history", metavar="DIR", help="show the trend over the runs below DIR that have the same plan")

    add = command(run_compare, "what changed from run A to run B of the same plan: versions, outcomes, numbers")
    add("before", type=Path, metavar="A", help="run directory or records.jsonl")
    add("after", type=Path, metavar="B", help="run directory or records.jsonl")
    add("--into", type=Path, metavar="DIR", help="also write compare.md and compare.html there, with every change")

    add = command(run_compatibility, "what each tool can do, by version and family, like a browser-support table")
    add("paths", nargs="+", type=Path, metavar="DIR", help="run directories, or folders that hold some")
    add("--into", type=Path, metavar="DIR", help="write compatibility.html, compatibility.md and badges there")
    add("--keep", type=Path, metavar="DIR", help="add what a table needs of the runs to the small files there")


def _add_writing(command: AddCommand) -> None:
    add = command(run_export, "write a run in another format")
    add("path", type=Path, metavar="RUN", help="run directory or records.jsonl")
    add("--v3", required=True, type=Path, metavar="DIR", help="one JSON per model in the V3 result format")

    add = command(run_review, "write a sheet with answers of every working condition of a sweep, for a reader to mark")
    add("path", type=Path, metavar="RUN", help="run directory")
    add("--read", type=Path, metavar="FILE", help="read a marked review.md back, and keep it in the run directory")

    add = command(run_findings, "print what the phases of a sweep measured, as Markdown")
    add("path", type=Path, metavar="RUN", help="run directory or records.jsonl")
    add("--append", type=Path, metavar="FILE", help="add to FILE, such as FINDINGS.md, what it does not hold yet")

    command(run_schema, "print the JSON Schema of every file the suite writes")
    command(run_clauses, "print the table of clauses, docs/clauses.md")
    command(run_rules, "print the table of verdict rules, as in README.md")


def run_verdict(options: argparse.Namespace) -> int:
    """Print a verdict for each run, one for the published files together, and the tables of transfers and engines."""
    inputs, expected = read_inputs(options.paths), options.expect_outcome
    runs = list(judge_inputs(inputs))
    if expected and not runs:
        sentence = f"--expect-outcome {expected}: nothing was judged"
        raise UsageProblem(
            "expect-outcome", sentence, "name a run or a phase 1 file; transfers and engines have no verdict"
        )
    unexpected = [judged for judged in runs if expected and not matches(judged.verdict, expected)]
    print("\n".join(judged.show(_width(), _color()) for judged in runs) + tables(inputs, _width()), end="", flush=True)
    for sentence in inputs.passed_over:
        print(f"passed over: {sentence}", file=sys.stderr)
    for judged in unexpected:
        print(f"expected outcome {expected}, got {judged.verdict.conclusion}: {judged.place}", file=sys.stderr)
    return UNEXPECTED if unexpected else DONE


def run_merge(options: argparse.Namespace) -> int:
    """Join, copy tensors, judge, write, print."""
    run = merge_runs([(str(path), read_run(path)) for path in options.paths])
    verdict = judge(run)
    copy_tensors(options.paths, options.into)
    write_run(options.into, run, verdict)
    write_views(options.into, run, verdict)
    print(JudgedRun(str(options.into), run, verdict).show(_width(), _color()), end="")
    return DONE


def run_render(options: argparse.Namespace) -> int:
    """Write the page, the Markdown report and the badge, and print their paths."""
    directory = options.path if options.path.is_dir() else options.path.parent
    history, run = check_history(options.history), read_run(options.path)
    print(*write_views(directory, run, judge(run, reviews=count_kept(directory, run)), history), sep="\n")
    return DONE


def run_compare(options: argparse.Namespace) -> int:
    """Print what changed, and write all of it where asked; `CHANGED` if a check has another outcome."""
    from reports.compare.changes import compare_runs
    from reports.compare.inputs import read_side
    from reports.compare.texts import list_files, render_text

    a, b = read_side(options.before), read_side(options.after)
    comparison = compare_runs(a.run, b.run)
    print(render_text(a, b, comparison, _width(), _color()), end="")
    if options.into:
        replace_files(options.into, list_files(a, b, comparison))
    return CHANGED if comparison.outcomes else DONE


def run_compatibility(options: argparse.Namespace) -> int:
    """Print the table, or write it and print the paths."""
    from reports.compatibility.texts import write_table

    for sentence in write_table(options.paths, options.into, options.keep):
        print(f"passed over: {sentence}", file=sys.stderr)
    return DONE


def run_export(options: argparse.Namespace) -> int:
    """Write the V3 files and print their paths."""
    print(*write_v3(options.v3, read_run(options.path)), sep="\n")
    return DONE


def run_review(options: argparse.Namespace) -> int:
    """Write the sheet and print its paths, or read it back and print what was confirmed and refuted."""
    directory, run = options.path if options.path.is_dir() else options.path.parent, read_run(options.path)
    if options.read is None:
        print(*write_sheet(directory, run), sep="\n")
        return DONE
    for cell, count in count_reviews(keep_review(directory, run, options.read)).items():
        counts = f"{count.confirmed} confirmed, {count.refuted} refuted, {count.open} open"
        print(plain(f"{cell.id}: {counts}", 200))
    return DONE


def run_findings(options: argparse.Namespace) -> int:
    """Print the sections, or add them to a file and say how many are new."""
    from reports.findings import append_findings, list_findings

    directory, run = options.path if options.path.is_dir() else options.path.parent, read_run(options.path)
    sections = list_findings(run, read_review(directory, run))
    if options.append is None:
        print("\n".join(section.text for section in sections), end="")
        return DONE
    added = append_findings(options.append, sections)
    print(f"{options.append}: {added} of {len(sections)} sections added" if added else f"{options.append}: nothing new")
    return DONE


def run_schema(_: argparse.Namespace) -> int:
    """Print the schemas."""
    print(json.dumps({**json_schemas(), **finding_schemas()}, indent=2))
    return DONE


def run_clauses(_: argparse.Namespace) -> int:
    """Print the table of clauses."""
    print(clauses_page(), end="")
    return DONE


def run_rules(_: argparse.Namespace) -> int:
    """Print the table of verdict rules."""
    print(rules_table(RULES))
    return DONE


def _width() -> int:
    return min(shutil.get_terminal_size((100, 40)).columns, 120)


def _color() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


if __name__ == "__main__":
    sys.exit(main())
