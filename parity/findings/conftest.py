"""What the findings share: the traits, and one object per loaded model that measures them."""

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from parity.findings.other_models import AFTER, BESIDE, FROM, OtherModels, keys_after
from parity.plugin.arguments import Experiment
from parity.plugin.model_cache import ModelCache
from parity.plugin.planning import refuse
from parity.plugin.request.run_matrix import RunMatrix
from parity.plugin.session_state import MATRIX, TO_RUN
from steering_core.errors import SuiteError, UsageProblem
from steering_core.measure.findings.traits import Trait, read_traits
from steering_core.measure.findings.transfer_sets import case_names, read_matrices
from steering_core.models.relations import relation, stages_before

if TYPE_CHECKING:
    from torch import Tensor

    from steering_core.measure.findings.findings import Findings
    from steering_core.measure.findings.sources import Beside, Source


@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Called per check, after models and tools: one check per trait."""
    if "trait_name" in metafunc.fixturenames:
        try:
            metafunc.parametrize("trait_name", list(read_traits()))
        except SuiteError as problem:
            raise pytest.UsageError(str(problem)) from None
    if "transfer" in metafunc.fixturenames:
        try:
            metafunc.parametrize("transfer", case_names())
        except SuiteError as problem:
            raise pytest.UsageError(str(problem)) from None
    if "taken_from" in metafunc.fixturenames:
        keys = metafunc.config.stash[MATRIX].selected
        metafunc.parametrize("taken_from", [f"{FROM}{key}" for key in keys])
    if "compared_with" in metafunc.fixturenames:
        keys = metafunc.config.stash[MATRIX].selected
        metafunc.parametrize("compared_with", [f"{BESIDE}{key}" for key in keys])
    if "tuned_after" in metafunc.fixturenames:
        try:
            metafunc.parametrize("tuned_after", _earlier_stages(metafunc.config.stash[MATRIX]))
        except SuiteError as problem:
            raise pytest.UsageError(str(problem)) from None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Called after collection and selection: a trait is measured on the models that it is of, and a pair needs two models."""
    foreign = [item for item in items if not is_of_model(item)]
    if foreign and len(foreign) == len(items) and all("compared_with" in _params(item) for item in foreign):
        sentence = (
            f"F8 compares two models, one of them tuned, and this run has {', '.join(config.stash[MATRIX].selected)}"
        )
        refuse(config, UsageProblem("one-model", sentence, "select two, as in -m 'qwen7b or gemma9b'"))
    config.hook.pytest_deselected(items=foreign)
    items[:] = [item for item in items if item not in foreign]


def is_of_model(item: pytest.Item) -> bool:
    """Whether the trait or transfer of a check is one of its model's; true of checks without either."""
    params = _params(item)
    models = read_traits()[params["trait_name"]].models if "trait_name" in params else ()
    if "transfer" in params:
        return read_matrices()[params["transfer"].partition(":")[0]].is_of(params.get("model_key", ""))
    if "tuned_after" in params:
        registry, earlier = item.config.stash[MATRIX].registry, str(params["tuned_after"]).removeprefix(AFTER)
        return earlier in stages_before(registry, params["model_key"])
    if "compared_with" in params:
        return _is_pair(item.config.stash[MATRIX], params["model_key"], params["compared_with"].removeprefix(BESIDE))
    return not models or params.get("model_key") in models


def _params(item: pytest.Item) -> dict[str, Any]:
    return dict(item.callspec.params) if hasattr(item, "callspec") else {}


def _is_pair(matrix: RunMatrix, key: str, other: str) -> bool:
    """Whether a check of one model compares it with another: two tuned models are compared once, in the later one's check."""
    order = list(matrix.selected)
    if key == other or key not in order:
        return False
    return not matrix.registry[other].tuned or order.index(other) < order.index(key)


def _earlier_stages(matrix: RunMatrix) -> list[str]:
    """The models of the run that another one of it was tuned from; a base model has no behavior to compare."""
    stages = {stage for key in matrix.selected for stage in stages_before(matrix.registry, key)}
    return [f"{AFTER}{key}" for key in matrix.selected if key in stages and matrix.registry[key].tuned]


@pytest.fixture
def trait(trait_name: str) -> Trait:
    """Two classes of prompts."""
    return read_traits()[trait_name]


@pytest.fixture(scope="session")
def made_findings() -> "dict[int, Findings]":
    """Those of the model that is loaded."""
    return {}


@pytest.fixture
def findings(
    experiment: Experiment, made_findings: "dict[int, Findings]", request: pytest.FixtureRequest
) -> "Findings":
    """What findings measure on one model; rows are read once per trait."""
    from steering_core.measure.findings.findings import Findings

    if id(experiment) not in made_findings:
        made_findings.clear()
        made_findings[id(experiment)] = Findings(experiment, request.config.getoption("steer_layers"))
    return made_findings[id(experiment)]


@pytest.fixture
def source(model_cache: ModelCache, model_key: str, taken_from: str, made_findings: "dict[int, Findings]") -> "Source":
    """What was kept of the model that a direction is taken from. To be asked for before anything of the check's own model:
    a model of which nothing is kept yet is loaded in its place."""
    from steering_core.measure.findings.sources import TRAIT, Source, source_rows

    key, matrix, trait = taken_from.removeprefix(FROM), model_cache.matrix, read_traits()[TRAIT]
    cells = model_cache.config.stash[TO_RUN]
    others = OtherModels(model_cache, partial(source_rows, trait=trait), {"what": "source", "prompts": repr(trait)})
    if missing := others.missing(keys_after(FROM, cells, model_key)):
        made_findings.clear()
        others.keep(model_key, missing)
    related = relation(matrix.registry, key, model_key)
    return Source(key, matrix.settings[key].layer, others.weights(key), others.kept(key), related)


@pytest.fixture
def earlier(
    model_cache: ModelCache, model_key: str, tuned_after: str, made_findings: "dict[int, Findings]"
) -> "tuple[str, Tensor]":
    """An earlier tuning stage and what was counted of it; to be asked for before anything of the check's own model."""
    from steering_core.measure.findings.tuning_stages import StageCurves, asked_of

    key, matrix = tuned_after.removeprefix(AFTER), model_cache.matrix
    asked = asked_of(matrix.registry[model_key], matrix.settings[model_key])
    about = {"what": "stage curves", "asked": asked, "prompts": repr(matrix.prompts.evaluation)}
    others = OtherModels(model_cache, lambda experiment: StageCurves(experiment).measure(*asked), about)
    if missing := others.missing([key]):
        made_findings.clear()
        others.keep(model_key, missing)
    return key, others.kept(key)


@pytest.fixture
def beside(
    model_cache: ModelCache, model_key: str, compared_with: str, made_findings: "dict[int, Findings]"
) -> "Beside":
    """What was kept of the model that the check's own is compared with; to be asked for before anything of that."""
    from steering_core.measure.findings.findings import Findings
    from steering_core.measure.findings.sources import Beside

    key, config = compared_with.removeprefix(BESIDE), model_cache.config
    layers, prompts = config.getoption("steer_layers"), model_cache.matrix.prompts
    about = {"what": "equal strength", "layers": layers, "prompts": prompts.digest}
    others = OtherModels(model_cache, lambda experiment: Findings(experiment, layers).equal_strength.rows(), about)
    if missing := others.missing([key]):
        made_findings.clear()
        others.keep(model_key, missing)
    return Beside(key, others.weights(key), others.kept(key))
