"""The model of a sweep in a lower precision, and whether exact arithmetic holds for it."""

from dataclasses import replace
from importlib.util import find_spec

from steering_core.errors import ToolAbsent, UsageProblem
from steering_core.exact.difference import CHECKED_PROMPTS, first_difference
from steering_core.measure.experiment import Experiment
from steering_core.models.model import LoadedModel, LoadRequest


def refuse_quantized(model: LoadedModel) -> None:
    """UsageProblem for a model that is quantized already."""
    if model.quantize:
        sentence = f"{model.spec.key} is loaded in {model.quantize} already"
        raise UsageProblem("sweep-precision", sentence, "a sweep of precisions runs without --quantize")


def quantized_request(model: LoadedModel, quantize: str) -> LoadRequest:
    """How to load the same checkpoint as "int8" or "nf4", on the operators that measure it.

    ToolAbsent without bitsandbytes; UsageProblem for a model that was not read from a checkpoint, which bitsandbytes needs.
    """
    if find_spec("bitsandbytes") is None:
        raise ToolAbsent("bitsandbytes-absent", "bitsandbytes is not installed", "pip install bitsandbytes")
    if model.request is None or model.request.random_weights:
        key = model.spec.key
        hint = (
            f"python -m parity.benchmark.checkpoints {key} DIR, then --model-path {key}=DIR instead of --random-weights"
        )
        raise UsageProblem("sweep-precision", f"{key} was built in memory, and quantization reads a checkpoint", hint)
    return replace(model.request, quantize=quantize, exact=model.exact)


def load_at_precision(experiment: Experiment, request: LoadRequest) -> tuple[Experiment, str]:
    """(the same experiment on that model, where it depends on the batch in spite of exact arithmetic: "" if nowhere).

    Such a model is measured with the same operators as the others, but not as if each prompt were alone.
    """
    model = request.load()
    if not model.exact:
        return replace(experiment, model=model), ""
    rows = model.chat_rows(experiment.prompts.extraction[:CHECKED_PROMPTS])
    difference = first_difference(model, rows)
    return replace(experiment, model=replace(model, exact=difference is None)), str(difference or "")
