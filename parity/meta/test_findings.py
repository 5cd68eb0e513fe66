"""Findings run only when asked for, and a trait only on the models that have it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parity.findings import conftest as findings_conftest
from parity.findings.conftest import is_of_model
from parity.meta.test_sweeps import collected
from parity.plugin.on_request import asks_for, check_finding_options
from steering_core.errors import UsageProblem
from steering_core.measure.findings.traits import PromptClass, Trait
from steering_core.places import ROOT


def given(*arguments: str, markers: str = "", directory: Path = ROOT) -> Any:
    """What pytest knows of a command line."""
    option, params = SimpleNamespace(markexpr=markers), SimpleNamespace(dir=directory)
    return SimpleNamespace(option=option, invocation_params=params, args=list(arguments))


@pytest.mark.parametrize(
    ("config", "folders"),
    [
        (given("parity"), []),
        (given(str(ROOT / "parity")), []),
        (given("parity", markers="tiny_qwen2"), []),
        (given("parity", markers="findings and tiny_qwen2"), ["findings"]),
        (given("parity", markers="sweep or findings"), ["sweeps", "findings"]),
        (given("parity", markers="findings_of_mine"), []),
        (given("parity/findings/test_extraction.py::test_extraction"), ["findings"]),
        (given("sweeps", directory=ROOT / "parity"), ["sweeps"]),
        (given("../findings/elsewhere"), []),
    ],
)
def test_rooms_are_asked_for_by_marker_or_path_below_the_root(config: Any, folders: list[str]) -> None:
    assert [folder for folder in ("sweeps", "findings") if asks_for(config, folder)] == folders


@pytest.mark.parametrize(
    ("folder", "layers", "words"),
    [
        ("parity", "2-3", "--steer-layers: no finding is selected"),
        ("parity/findings", "9-3", "the range 9-3 of layers '9-3' is empty"),
        ("parity/findings", "2-8", "layers '2-8' name block 8 of a model with 8 blocks"),
    ],
)
def test_layers_that_cannot_be_steered_are_refused_before_a_model_is_loaded(
    folder: str, layers: str, words: str
) -> None:
    matrix: Any = SimpleNamespace(selected=("tiny",), registry={"tiny": SimpleNamespace(layers=8)})

    def check(folder: str, layers: str) -> None:
        config = given(folder)
        config.getoption = {"steer_layers": layers}.__getitem__
        check_finding_options(config, matrix)

    check("parity/findings", "2-7,4")
    check("parity", "")
    with pytest.raises(UsageProblem) as refused:
        check(folder, layers)
    assert words in str(refused.value)


def test_the_marker_selects_the_findings_and_nothing_else() -> None:
    names = collected("parity", "-m", "findings and tiny_qwen2")

    assert "parity/findings/test_extraction.py::test_extraction[tiny_qwen2-refusal]" in names
    assert all(name.startswith("parity/findings/") and "tiny_qwen2" in name for name in names)


def test_refusals_of_a_base_model_are_not_counted() -> None:
    """Projections of its tokens are measured as of any other."""
    names = collected("parity/findings", "-m", "tiny_qwen2_base or tiny_qwen2")

    assert any("test_steered_layers[tiny_qwen2-ratio]" in name for name in names)
    assert any("test_dynamics[tiny_qwen2_base-hooks]" in name for name in names)
    assert not any("test_steered_layers[tiny_qwen2_base" in name for name in names)
    random = collected("parity/findings", "-m", "tiny_qwen2", "--random-weights")
    assert any("test_dynamics" in name for name in random)
    assert not any("test_steered_layers" in name for name in random)


def test_transfer_is_measured_where_a_model_knows_the_sets() -> None:
    def transfers(*arguments: str) -> set[str]:
        names = collected("parity/findings/test_transfer.py", *arguments)
        return {name.partition("[")[2].removesuffix("]") for name in names if "test_transfer[" in name}

    assert len(transfers("-m", "tiny_traits_sft")) == 24
    assert transfers("-m", "tiny_qwen2") == set()
    assert transfers("-m", "tiny_traits_sft", "--random-weights") == set()


def test_a_trait_is_measured_on_its_models(monkeypatch: pytest.MonkeyPatch) -> None:
    words = PromptClass(("a",), ("b", "c"))
    traits = {name: Trait(name, "", words, words, models) for name, models in (("every", ()), ("one", ("gpt2",)))}
    monkeypatch.setattr(findings_conftest, "read_traits", lambda: traits)

    def collects(**params: str) -> bool:
        item: Any = SimpleNamespace(callspec=SimpleNamespace(params=params))
        return is_of_model(item)

    assert collects(trait_name="every", model_key="qwen7b")
    assert collects(trait_name="one", model_key="gpt2")
    assert not collects(trait_name="one", model_key="qwen7b")
    assert collects(model_key="qwen7b")
