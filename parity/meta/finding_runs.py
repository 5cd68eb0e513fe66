"""Runs the checks of the findings on one model, without a pytest session."""

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from functools import cache
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from parity.findings.test_dynamics import test_dynamics as dynamics
from parity.findings.test_equal_strength import test_equal_strength as equal_strength
from parity.findings.test_extraction import test_extraction as extraction
from parity.findings.test_interchange import test_interchange as interchange
from parity.findings.test_sites import test_sites as sites
from parity.findings.test_steered_layers import test_steered_layers as steered_layers
from parity.findings.test_transfer import test_transfer as transfer
from parity.findings.test_transfer_models import test_transfer_models as transfer_models
from parity.findings.test_tuning_stages import test_tuning_stages as tuning_stages
from parity.plugin.cells import make_cell
from parity.plugin.check_records import recording
from parity.plugin.harness import LoadedCheckpoint
from steering_core.hosts.local_hosts import LocalHosts
from steering_core.measure.findings.traits import read_traits
from steering_core.models.registry import read_registry
from steering_core.models.relations import relation
from steering_core.places import REGISTRY
from steering_core.records.draft import Draft
from steering_core.records.record import Record

if TYPE_CHECKING:
    from torch import Tensor

    from steering_core.measure.findings.findings import Findings
    from steering_core.measure.findings.sources import Beside, Source

CHECKS: tuple[tuple[str, Callable[..., None], dict[str, Any]], ...] = (
    ("F1", extraction, {"trait_name": "refusal"}),
    ("F2", sites, {"trait_name": "refusal", "tool_name": "hooks"}),
    ("F3", interchange, {"trait_name": "refusal", "pair": ("hooks", "pyvene")}),
    ("F4", steered_layers, {"scale": "ratio"}),
    ("F4", steered_layers, {"scale": "divergence"}),
    ("F5", transfer, {"transfer": "topics:money:money"}),
    ("F5", transfer, {"transfer": "topics:home:people"}),
    ("F5", transfer_models, {"taken_from": "from:tiny_qwen2"}),
    ("F5", transfer_models, {"taken_from": "from:tiny_gemma2"}),
    ("F6", dynamics, {"tool_name": "hooks"}),
    ("F7", tuning_stages, {"tuned_after": "after:earlier"}),
    ("F8", equal_strength, {"compared_with": "beside:other"}),
)
"""Clause, check, and parameters, of tools too, that are enough to see a fault."""


def run_finding_checks(make: "Callable[[], Findings]", clauses: Collection[str] = ()) -> list[Record]:
    """One record per check. make: the findings, anew for each check. clauses: only these; () is all of them."""
    return [record for row in CHECKS if not clauses or row[0] in clauses for record in _record(make(), *row)]


def record_finding(findings: "Findings", clause: str, params: dict[str, Any], **given: Any) -> Record:
    """The record of the check of a clause that takes these parameters. given: in place of fixtures."""
    checks = (check for row, check, asked in CHECKS if row == clause and {*asked} == {*params})
    return next(_record(findings, clause, next(checks), params, **given))


def _record(
    findings: "Findings", clause: str, check: Callable[..., None], params: dict[str, Any], **fixtures: Any
) -> Iterator[Record]:
    record = Draft(make_cell(clause, {**params, "model_key": findings.experiment.model.spec.key}))
    record.provenance.update(findings.experiment.provenance())
    given = {**params, "findings": findings, "record": record}
    if "trait_name" in params:
        given["trait"] = read_traits()[params["trait_name"]]
    hosts = LocalHosts(findings.experiment.model, alone=True)
    if "tool_name" in params:
        given |= {"tool": hosts.tool(params["tool_name"]), "halves": ("read", "generate")}
    if "pair" in params:
        given["tools"] = tuple(map(hosts.tool, params["pair"]))
    if "taken_from" in params and "source" not in fixtures:
        given["source"] = kept_source(params["taken_from"].removeprefix("from:"), findings.experiment.model.spec.key)
    if "tuned_after" in params:
        given["earlier"] = ("earlier", _planted_curves(findings))
    if "compared_with" in params:
        given["beside"] = _planted_strengths(findings)
    given |= fixtures
    with suppress(Exception), recording(record):  # whatever a check raises is in its record
        check(**{name: given[name] for name in signature(check).parameters})
    yield record.finish(check.__name__)


@cache
def kept_source(key: str, target: str) -> "Source":
    """What a run keeps of a model."""
    from steering_core.measure.findings.sources import TRAIT, Source, source_rows

    with TemporaryDirectory() as folder:
        experiment = LoadedCheckpoint(key, Path(folder)).experiment()
        rows = source_rows(experiment, read_traits()[TRAIT])
    related = relation(read_registry(REGISTRY), key, target)
    return Source(key, experiment.settings.layer, experiment.weights, rows, related)


def _planted_curves(findings: "Findings") -> "Tensor":
    """Of an earlier stage that is steered by every coefficient, and is never garbled; nor steered along a random direction."""
    import torch

    from steering_core.measure.findings.tuning_stages import asked_of

    here = findings.experiment
    coefficients, layers = asked_of(here.model.spec, here.settings)
    total = len(here.prompts.evaluation)
    refusals = [total if coefficient else 0 for coefficient in coefficients] + [total] * len(layers)
    refusals += [0] * len(coefficients)
    return torch.tensor([[refused, total, total, 0.1] for refused in refusals], dtype=torch.float64)


def _planted_strengths(findings: "Findings") -> "Beside":
    """Of another model, in which the same ratio of a norm of 10 steers four of five prompts."""
    import torch

    from steering_core.measure.findings.sources import Beside
    from steering_core.measure.multilayer.between_models import PLACES, Strength

    total = len(findings.layer_steering.experiment.prompts.evaluation)
    refused = tuple(bool(number % 5) for number in range(total))
    row = Strength(6.0, 10.0, 0.9, 0.4, 0, 0, 0, refused, (False,) * total)
    return Beside("other", "of the other", torch.stack([row.packed()] * len(PLACES)))
