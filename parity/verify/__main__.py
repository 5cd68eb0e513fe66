"""`python -m parity.verify METHOD`: the table of a method's steps, then the checks of it; exit status 1 if one fails."""

import argparse
import sys
from collections.abc import Sequence

from parity.verify.audit import audit_table, read_audit
from steering_core.errors import SuiteError

METHODS = ("cosmic",)
EPILOG = """\
The checks run on the tiny checkpoints. The replay of published selections reads refusal_direction/ in $STUDY_DATA.

exit status: 0 no check failed; 1 a check failed; 2 bad input
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the audit of one method."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m parity.verify", description=__doc__, epilog=EPILOG, formatter_class=raw)
    parser.add_argument("method", choices=METHODS)
    parser.parse_args(arguments)
    from parity.verify.cosmic_checks import CHECKS

    try:
        print(audit_table(read_audit()))
        results = []
        for check in CHECKS:
            results.append(check())
            print(results[-1].line)
    except SuiteError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    counts = {word: sum(result.outcome == word for result in results) for word in ("passed", "failed", "not run")}
    print(", ".join(f"{count} {word}" for word, count in counts.items() if count))
    return int(counts["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main())
