"""The program of a fresh process: load the model anew, extract with every tool, leave the rows in the store."""

import json
import sys
from pathlib import Path

from steering_core.errors import SuiteError
from steering_core.measure.experiment import Experiment
from steering_core.measure.fresh_process import FreshRequest
from steering_core.measure.store import Store
from steering_core.models.model import LoadRequest
from steering_core.models.registry import ModelSpec, Settings
from steering_core.prompts import read_prompts
from steering_core.records.provenance import source_digest
from steering_core.tools.spec import find_tool


def extract(request: FreshRequest) -> None:
    """Load, read with every tool, store the rows; a tool that fails is left for its own checks to report."""
    if source_digest() != request.source:
        raise SuiteError("source-changed", "the suite's code was changed while it ran", "run again")

    wanted = LoadRequest(**{**request.model, "spec": ModelSpec(**request.model["spec"])})
    settings = Settings(**{**request.settings, "blocks": tuple(request.settings["blocks"])})
    experiment = Experiment(
        wanted.load(), settings, read_prompts(Path(request.prompts)), Store(Path(request.store)), wanted.digest()
    )
    for name in request.tools:
        called = name
        try:
            tool = find_tool(name)
            called = tool.name
            experiment.direction(tool, request.repeat)
        except Exception as error:
            sys.stderr.write(f"{called}: {type(error).__name__}: {error}\n")


if __name__ == "__main__":
    extract(FreshRequest(**json.loads(sys.argv[1])))
