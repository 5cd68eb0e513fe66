"""Vectors with edits inside blocks: an engine that knows none fails them, and files from before there were any stay valid."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from parity.meta.vector_campaign import Vectors
from parity.vectors.answers import Reference
from parity.vectors.files import frozen
from parity.vectors.format import EditData, GenerateCall, Vector
from parity.vectors.recording import Recording
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tools.edits import Edit

ADDITIONS_AT_THE_MLP = {"block_wins_over_inside"}


class BlockOutputs(Reference):
    """An engine that knows no `stream`, and edits the output of the block."""

    def generate(
        self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], new_tokens: int, recording: Recording
    ) -> Tensor:
        outputs = [replace(edit, site=Site("resid_post", edit.site.layer)) for edit in edits]
        return super().generate(model, batch, outputs, new_tokens, recording)


def edits_inside(vector: Vector) -> bool:
    edits = (edit for call in vector.calls if isinstance(call, GenerateCall) for edit in call.edits)
    return any(edit.stream != "resid_post" for edit in edits)


def test_an_engine_that_ignores_the_stream_gives_wrong_tokens_or_logits() -> None:
    vectors = Vectors.loaded(*frozen("tiny_qwen2"))
    inside = [vector for vector in vectors.file.vectors if edits_inside(vector)]

    assert len(inside) == 10
    for vector in inside:
        results = vectors.results(vector, [BlockOutputs()])
        wrong = {each.value: each.outcome for each in results if each.outcome != "passed"}
        assert "missing" in wrong.values()
        # What is added to the MLP's output is added to the block's: only what was not recorded tells these two apart.
        assert (wrong.get("0/logits") == "failed") is (vector.name not in ADDITIONS_AT_THE_MLP), vector.name


def test_a_stream_inside_a_block_is_recorded_after_the_hooks_of_a_tool() -> None:
    vectors = Vectors.loaded(*frozen("tiny_gemma2"))
    names = [vector.name for vector in vectors.file.vectors if edits_inside(vector)]

    assert len(names) == 5
    for results in vectors.of_tool("hooks", names):
        assert [each for each in results if each.outcome != "passed"] == []


def test_an_edit_without_a_stream_is_of_the_block_and_is_written_as_it_was() -> None:
    text: dict[str, Any] = {"action": "add", "block": 3, "coefficient": 1.0, "phase": "both"}
    text |= {"positions": None, "features": None}

    assert EditData(**text).site == Site("resid_post", 3)
    assert EditData(**text).model_dump() == text
    inside = EditData(**text, stream="mlp_out")
    assert (inside.site, inside.model_dump()["stream"]) == (Site("mlp_out", 3), "mlp_out")
