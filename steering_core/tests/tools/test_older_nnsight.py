"""The adapters of older releases of nnsight, as far as the installed one, which is newer, lets them run."""

import pytest
import torch

from steering_core.errors import ToolAbsent
from steering_core.models.sites import Site
from steering_core.places import IMPORTS
from steering_core.tests.random_models import LAYERS, every_site, prompts, random_model, random_spec
from steering_core.tools.actions import MODES
from steering_core.tools.deviations import read_deviations
from steering_core.tools.edits import Add, Edit, Scale
from steering_core.tools.offers import offers_of, readable
from steering_core.tools.spec import find_tool
from steering_core.tools.third_party import nnsight_0_3

FOLDER = IMPORTS / "steering_core" / "tools" / "third_party"
RELEASES = ("0.3", "0.7")
pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:LanguageModel is deprecated", "ignore:.*was never reached"),
]


def adapter(release: str) -> str:
    """The text that names it on the command line."""
    return f"{FOLDER}/nnsight_{release.replace('.', '_')}.py:nnsight"


@pytest.mark.parametrize("release", RELEASES)
def test_another_release_is_refused_in_one_line(release: str) -> None:
    with pytest.raises(
        ToolAbsent, match=rf"nnsight 0\.8\.\d+ is not {release}, .* pip install '?nnsight=={release}\."
    ) as caught:
        find_tool(adapter(release)).version()

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("release", RELEASES)
def test_older_releases_offer_what_the_newest_does_under_the_same_name(release: str) -> None:
    older, newest, spec = find_tool(adapter(release)), find_tool("nnsight"), random_spec("phi3")

    assert older.name == newest.name == "nnsight"
    assert readable(older, spec) == readable(newest, spec)
    offers = offers_of(older)
    assert offers.modes == MODES
    assert (offers.position_ranges, offers.feature_ranges, offers.packed_prompts) == (True, True, True)
    assert offers.chunked_prefill == (release == "0.7"), "under the transformers of this process"
    assert older.supports(spec, Site("k", 1), "add") == "it is not the whole output of one module"


@pytest.mark.parametrize("release", RELEASES)
def test_deviations_of_a_release_are_about_no_other(release: str) -> None:
    rows = read_deviations(FOLDER / f"nnsight_{release.replace('.', '_')}.py")

    assert {row.versions.partition(",")[0].removeprefix(">=")[:3] for row in rows} == {release}
    assert {(row.clause, row.variant) for row in rows} == {
        ("P9", "hooks"),
        ("P9", "functions" if release == "0.3" else "forward"),
    }


@pytest.mark.parametrize("family", ["gemma2", "gpt2"])
def test_the_adapter_of_0_7_reads_what_hooks_read(family: str) -> None:
    model, batch = random_model(family), prompts(3)
    expected = find_tool("hooks").read(random_model(family), batch, every_site(model))

    found = find_tool(adapter("0.7")).read(model, batch, every_site(model))

    assert list(found) == every_site(model)
    assert [site for site in found if not torch.equal(found[site], expected[site])] == []
    assert not any(value.requires_grad for value in found.values())


@pytest.mark.parametrize("ends_after", [None, 3])
def test_the_adapter_of_0_7_generates_what_hooks_generate_also_when_all_rows_end_early(ends_after: int | None) -> None:
    model, untouched, batch = random_model("gemma2"), random_model("gemma2"), prompts(1 if ends_after else 3)
    vector = torch.randn(model.spec.hidden, generator=torch.Generator().manual_seed(1))
    edits: list[Edit] = [Scale(Site("attn_out", LAYERS - 1), 1.5), Add(Site("resid_post", 1), vector, 3.0)]
    if ends_after:
        end = int(find_tool("hooks").generate(untouched, batch, edits, 10)[0, ends_after - 1])
        model.module.generation_config.eos_token_id = untouched.module.generation_config.eos_token_id = end
    expected = find_tool("hooks").generate(untouched, batch, edits, 10)

    found = find_tool(adapter("0.7")).generate(model, batch, edits, 10)

    assert found.tolist() == expected.tolist()
    assert expected.shape[1] == (ends_after or 10)


def test_a_proxy_of_0_3_holds_a_copy_of_the_requested_columns() -> None:
    hidden = torch.arange(6.0, requires_grad=True).reshape(1, 2, 3)

    found = nnsight_0_3._copy((hidden, None), slice(1, 3), torch.device("cpu"))

    assert found.tolist() == [[[1, 2], [4, 5]]]
    assert not found.requires_grad
    assert found.untyped_storage().nbytes() == 4 * found.element_size()
    assert torch.equal(nnsight_0_3._copy(hidden, slice(None), torch.device("cpu")), hidden)
