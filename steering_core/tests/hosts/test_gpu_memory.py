"""Memory of a GPU that the tools of a run share."""

import pytest

from steering_core.hosts.gpu_memory import gives_back

GB = 10**9


@pytest.mark.parametrize(
    ("free", "unused", "given_back"),
    [(100 * GB, 2 * GB, False), (100 * GB, 3 * GB, True), (10 * GB, GB // 4, False), (10 * GB, GB // 3, True)],
    ids=["plenty is free", "much is unused", "little is free and unused", "little is free and more is unused"],
)
def test_a_process_gives_back_what_others_may_need(free: int, unused: int, given_back: bool) -> None:
    assert gives_back(free, 140 * GB, unused) is given_back
