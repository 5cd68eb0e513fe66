"""`python -m parity.vectors`: programs as vectors for engines in other processes and languages; see docs/vectors.md."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from parity.vectors.check import FAILED, MISSING, PASSED, Result, check_folder
from parity.vectors.format import schemas
from steering_core.errors import SuiteError

DONE, WRONG, BAD_INPUT = 0, 1, 2
DEFAULT = "tiny_qwen2"
EPILOG = """\
exit status:
  0  check: every value that the engine offers passed; other commands: done
  1  check: a value is wrong or missing, or none passed
  2  bad input: one line on standard error says what is wrong

examples:
  python -m parity.vectors check fixtures/vectors/tiny_qwen2 my-answers
  python -m parity.vectors make made --model tiny_gemma2
  python -m parity.vectors answer made reference-answers
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit status."""
    options = build_parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (SuiteError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return BAD_INPUT


def build_parser() -> argparse.ArgumentParser:
    """The subcommands."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m parity.vectors", description=__doc__, epilog=EPILOG, formatter_class=raw
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    make = commands.add_parser("make", help="make the vectors of a tiny model anew")
    make.add_argument("folder", type=Path, metavar="DIR", help="where vectors.json and values.safetensors are written")
    make.add_argument("--model", default=DEFAULT, metavar="KEY", help=f"tiny_qwen2 or tiny_gemma2 (default: {DEFAULT})")
    make.set_defaults(run=run_make)
    check = commands.add_parser("check", help="compare an engine's answers with vectors")
    check.add_argument("folder", type=Path, metavar="DIR", help="vectors, such as fixtures/vectors/tiny_qwen2")
    check.add_argument("answers", type=Path, metavar="ANSWERS", help="folder of answers.json and answers.safetensors")
    check.set_defaults(run=run_check)
    answer = commands.add_parser("answer", help="write the answers of the suite's own reference, as an example")
    answer.add_argument("folder", type=Path, metavar="DIR", help="vectors")
    answer.add_argument("answers", type=Path, metavar="ANSWERS", help="where the answers are written")
    answer.set_defaults(run=run_answer)
    commands.add_parser("schema", help="print the JSON Schema of both JSON files").set_defaults(run=run_schema)
    return parser


def run_make(options: argparse.Namespace) -> int:
    """Make and write."""
    from parity.vectors.files import write_vectors
    from parity.vectors.make import make

    file, values = make(options.model)
    write_vectors(options.folder, file, values)
    print(f"{options.folder}: {len(file.vectors)} vectors of {options.model}")
    return DONE


def run_check(options: argparse.Namespace) -> int:
    """Print a line per wrong or missing value, then how many of each outcome."""
    results = check_folder(options.folder, options.answers)
    for result in results:
        if result.outcome in (FAILED, MISSING):
            print(line_of(result))
    counts = Counter(result.outcome for result in results)
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()) + f", {len(results)} values in all")
    return DONE if counts[PASSED] and not counts[FAILED] + counts[MISSING] else WRONG


def line_of(result: Result) -> str:
    """One value in words; names and reasons of an engine are shown as Python's ascii() has them."""
    text = f"{result.vector}: {result.value} {result.outcome}: {result.sentence}"
    return ascii(text)[1:-1][:400]


def run_answer(options: argparse.Namespace) -> int:
    """Answer and write."""
    from parity.vectors.files import read_vectors, write_answers

    write_answers(options.answers, *read_vectors(options.folder))
    print(f"{options.answers}: the reference's answers to {options.folder}")
    return DONE


def run_schema(_: argparse.Namespace) -> int:
    """Print the schemas, which docs/vectors.schema.json holds."""
    print(json.dumps(schemas(), indent=2))
    return DONE


if __name__ == "__main__":
    sys.exit(main())
