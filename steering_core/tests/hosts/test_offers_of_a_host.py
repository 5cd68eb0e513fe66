"""What a tool offers in its process: no more than the release of transformers there can do."""

import pytest

from steering_core.hosts import session
from steering_core.tools.offers import Offers
from steering_core.tools.spec import find_tool


@pytest.mark.parametrize("problem", [None, "transformers 4.49.0 has no chunked prefill"])
def test_a_prompt_in_chunks_is_offered_only_where_it_can_be_fed(
    problem: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = find_tool("hooks")
    monkeypatch.setattr(session, "chunked_prefill_problem", lambda: problem)
    assert session.offered_here(tool).chunked_prefill is (problem is None)

    tool.offers = Offers(chunked_prefill=False, no_cache=False)  # type: ignore[attr-defined]
    assert session.offered_here(tool) == tool.offers
