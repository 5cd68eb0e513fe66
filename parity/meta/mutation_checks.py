"""The parity checks on tiny_qwen2 with the hooks tool, in a process of their own: exit status 1 if one does not hold."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from parity.plugin.harness import LoadedCheckpoint, run_checks
from steering_core.records.record import Outcome


def main() -> None:
    """Stop at nothing: every check about tools or the run."""
    with TemporaryDirectory() as folder:
        experiment = LoadedCheckpoint("tiny_qwen2", Path(folder)).experiment()
        records = run_checks(
            experiment, "hooks", lambda check: check.judges_tools or check.judges_run, beside=("hooks",), gated=False
        )
    red = [record.cell.id for record in records if record.outcome is not Outcome.AGREES]
    print("\n".join(f"FAILED {name}" for name in red) or f"{len(records)} checks hold")
    sys.exit(1 if red else 0)


if __name__ == "__main__":
    main()
