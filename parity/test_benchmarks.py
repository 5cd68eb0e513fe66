"""`pytest parity --benchmark-only`: what each tool costs beside the reference, and localization beside a forward, in one
run; read it as ratios."""

import pytest

NEW_TOKENS = 16
NAMED = ("a forward", "wrong block", "wrong block and token", "half of the features", "no tensor of the model")


@pytest.fixture
def timed(benchmark, model_cache, model_key):
    """One table per model and operation; what the others are compared with stands in every table."""

    def run(operation, name):
        from steering_core.measure import timings as costs

        experiment = model_cache.experiment(model_key)
        benchmark.group = f"{model_key} {operation}"
        calls = {
            "read": lambda: costs.reading(experiment, name),
            "generate": lambda: costs.generating(experiment, name, NEW_TOKENS),
            "name a wrong tensor": lambda: costs.naming(experiment, name),
        }
        benchmark.pedantic(costs.finished(experiment, calls[operation]()), rounds=5, warmup_rounds=1)

    return run


@pytest.mark.parametrize("operation", ["read", "generate"])
def test_tool(timed, tool_name, operation):
    """One forward that reads the tested site, or a steered generation, by a tool."""
    timed(operation, tool_name)


@pytest.mark.parametrize("operation", ["read", "generate"])
def test_reference(timed, operation):
    """The same by the suite's own reference."""
    timed(operation, "reference")


@pytest.mark.parametrize("returned", NAMED)
def test_localization(timed, returned):
    """What it takes to say which tensor a wrong one is, beside one plain forward; for a 7B on a GPU, at most twice that."""
    timed("name a wrong tensor", returned)
