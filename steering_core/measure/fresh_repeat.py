"""The program of a fresh process: load the model, extract with every tool, leave the directions in the store."""

import sys
from pathlib import Path

from pydantic import TypeAdapter

from steering_core.errors import SuiteError
from steering_core.measure.experiment import Experiment
from steering_core.measure.fresh_process import FreshRequest
from steering_core.measure.store import Store
from steering_core.prompts import read_prompts
from steering_core.records.provenance import source_digest
from steering_core.tools.spec import find_tool


def extract(request: FreshRequest) -> None:
    """Load, extract and store; a tool that fails is left for its own checks to report."""
    if source_digest() != request.source:
        raise SuiteError("source-changed", "the suite's code changed during the run", "run again")

    model, prompts, store = request.model.load(), read_prompts(Path(request.prompts)), Store(Path(request.store))
    experiment = Experiment(model, request.settings, prompts, store, request.model.digest())
    for name in request.tools:
        label = name
        try:
            tool = find_tool(name)
            label = tool.name
            experiment.direction(tool, request.repeat)
        except Exception as error:
            sys.stderr.write(f"{label}: {type(error).__name__}: {error}\n")


if __name__ == "__main__":
    extract(TypeAdapter(FreshRequest).validate_json(sys.argv[1]))
