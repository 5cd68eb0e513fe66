"""What a process says that it is busy with."""

import pytest

from steering_core.activity import activity, under_way


def test_the_innermost_activity_is_told_and_forgotten_when_it_ends() -> None:
    assert under_way() == ""
    with activity("loading a"):
        with activity("computing the digest of a"):
            assert under_way() == "computing the digest of a"
        assert under_way() == "loading a"
    with pytest.raises(KeyError), activity("trying tool b"):
        raise KeyError
    assert under_way() == ""


@pytest.mark.parametrize(
    ("total", "done", "text"),
    [
        (4_000_000_000, 1_140_000_000, "x: 1.1 of 4.0 GB (28 %)"),
        (2_500_000, 2_500_000, "x: 2.5 of 2.5 MB (100 %)"),
        (10, 25, "x: 10.0 of 10.0 bytes (100 %)"),
        (0, 5, "x"),
    ],
)
def test_bytes_are_shown_beside_the_total(total: int, done: int, text: str) -> None:
    with activity("x", total) as current:
        current.done = done
        assert under_way() == text
    with activity("x", total, lambda: done):
        assert under_way() == text
