"""`python -m parity.verify`: shows that a method does what its paper says, or that a saved direction is the canonical one."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from steering_core.errors import SuiteError
from steering_core.places import PROMPTS

DONE, FAILED, BAD_INPUT = 0, 1, 2
EPILOG = """\
exit status: 0 no check failed, the direction is the canonical one; 1 a check failed, it is another direction; 2 bad input

examples:
  python -m parity.verify cosmic
  python -m parity.verify direction mine.npy --model tiny_qwen2 --layer 4
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; the exit status."""
    options = build_parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except SuiteError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return BAD_INPUT


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m parity.verify", description=__doc__, epilog=EPILOG, formatter_class=raw)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    text = (
        "print COSMIC's steps, their sources and deviations, and check them on the tiny checkpoints; "
        "the replay of published selections reads refusal_direction/ in $STUDY_DATA"
    )
    commands.add_parser("cosmic", help=text, description=text).set_defaults(run=run_cosmic)
    text = "compare a saved direction with the canonical one, and name what it is instead"
    added = commands.add_parser("direction", help=text, description=text)
    added.set_defaults(run=run_direction)
    added.add_argument("file", type=Path, metavar="FILE", help="one vector [hidden], .npy or .safetensors")
    added.add_argument(
        "--model", required=True, metavar="KEY", help="a key of models.toml, or a Hugging Face directory"
    )
    added.add_argument(
        "--layer", type=int, metavar="L", help="the block, counted from 0, whose output was read (the model's)"
    )
    added.add_argument(
        "--prompts", type=Path, default=PROMPTS, metavar="FILE", help="the prompts it was extracted from"
    )
    added.add_argument("--key", default="", metavar="NAME", help="the tensor of a .safetensors file that holds several")
    added.add_argument("--dtype", default="", choices=("float32", "bfloat16", "float16"), help="of the model")
    added.add_argument("--device", default="cpu", help="cpu or cuda")
    return parser


def run_cosmic(_: argparse.Namespace) -> int:
    """The table of the method's steps, then the checks of it."""
    from parity.verify.audit import audit_table, read_audit
    from parity.verify.cosmic_checks import CHECKS

    print(audit_table(read_audit()))
    results = []
    for check in CHECKS:
        results.append(check())
        print(results[-1].line)
    counts = {word: sum(result.outcome == word for result in results) for word in ("passed", "failed", "not run")}
    print(", ".join(f"{count} {word}" for word, count in counts.items() if count))
    return FAILED if counts["failed"] else DONE


def run_direction(options: argparse.Namespace) -> int:
    """Compare one saved direction; the file and the prompts are read before the model."""
    from parity.verify.causes import candidates
    from parity.verify.direction import compare_direction
    from parity.verify.direction_file import read_direction
    from steering_core.models.load import load
    from steering_core.models.registry import check_layer
    from steering_core.models.sites import Site
    from steering_core.prompts import read_prompts

    saved, prompts = read_direction(options.file, options.key), read_prompts(options.prompts)
    model = load(options.model, dtype=options.dtype, device=options.device)
    layer = model.spec.layer if options.layer is None else options.layer
    check_layer(model.spec, layer)
    site = Site("resid_post", layer)
    dtype = str(model.dtype).removeprefix("torch.")
    comparison = compare_direction(saved, candidates(model, prompts, site), site, dtype)
    print("\n".join(comparison.lines(options.file.name, site)))
    return DONE if comparison.right else FAILED


if __name__ == "__main__":
    sys.exit(main())
