"""`pytest parity --benchmark-only`: what each tool costs beside the reference, in one run; read it as ratios."""

import pytest

NEW_TOKENS = 16


@pytest.fixture
def timed(benchmark, laboratory, model_key):
    """One table per model and operation; the reference stands in every table."""

    def run(operation, name):
        cycle = laboratory.cycle(model_key)
        benchmark.group = f"{model_key} {operation}"
        call = cycle.reader(name) if operation == "read" else cycle.generator(name, NEW_TOKENS)
        benchmark.pedantic(call, rounds=5, warmup_rounds=1)

    return run


@pytest.mark.parametrize("operation", ["read", "generate"])
def test_tool(timed, tool_name, operation):
    """One forward that reads the tested site, or a steered generation, by a tool."""
    timed(operation, tool_name)


@pytest.mark.parametrize("operation", ["read", "generate"])
def test_reference(timed, operation):
    """The same by the suite's own reference."""
    timed(operation, "reference")
