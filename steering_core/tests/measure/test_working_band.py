"""The band of working strengths, on rates that are written down as functions of the strength."""

from collections.abc import Callable

import pytest

from steering_core.measure.working_band import Counts, WorkingBand, find_band

GRID = [5, 10, 15, 20, 25, 30, 40, 50]


def between(low: float, high: float) -> Callable[[float], Counts]:
    """Coherent inside, normal below, garbled above."""

    def measure(strength: float) -> Counts:
        return (10, 0, 10) if low <= strength <= high else (0, 10 * (strength > high), 10)

    return measure


def test_both_ends_are_found_to_the_resolution() -> None:
    band = find_band(between(11.3, 27.7), GRID, 0.5)

    assert band.low is not None
    assert band.high is not None
    assert band.low[0] is not None
    assert band.high[1] is not None
    assert band.low[0] < 11.3 <= band.low[1] <= band.low[0] + 0.5
    assert band.high[1] - 0.5 <= band.high[0] <= 27.7 < band.high[1]
    assert band.breaks == band.high[1]
    assert "works from" in band.sentence


def test_every_strength_is_measured_once() -> None:
    asked: list[float] = []

    def measure(strength: float) -> Counts:
        asked.append(strength)
        return between(11.3, 27.7)(strength)

    find_band(measure, GRID, 0.5)

    assert len(asked) == len(set(asked)) == len(GRID) + 8, "four halvings of 5 on each side"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 99, "works from 5x to 50x, the whole range"),
        (0, 40, "works from 5x to 40x, fails at 41.25x"),
        (25, 99, "works from 25x to 50x, fails at 24.375x"),
    ],
)
def test_an_open_side_is_said_to_be_one(low: float, high: float, expected: str) -> None:
    assert find_band(between(low, high), GRID, 2.0 if high == 40 else 1.0).sentence == expected


def test_no_working_strength_is_reported_with_where_it_breaks() -> None:
    def breaking(strength: float) -> Counts:
        return (3, 0, 10) if strength < 30 else (3, 4, 10)

    band = find_band(breaking, GRID, 1.0)

    assert (band.low, band.high, band.breaks) == (None, None, 30)
    assert band.sentence == "no multiplier from 5x to 50x works; garbled from 30x"
    assert find_band(lambda strength: (0, 0, 10), GRID, 1.0).sentence.endswith("nowhere garbled")


def test_sixty_percent_works_and_a_hair_less_does_not() -> None:
    assert find_band(lambda strength: (6, 4, 10), GRID, 1.0).low == (None, 5.0)
    assert find_band(lambda strength: (59, 41, 100), GRID, 1.0).low is None


def test_the_widest_run_is_the_band_and_a_gap_is_named() -> None:
    working = {5, 15, 20, 25}

    band: WorkingBand = find_band(lambda strength: (10 * (strength in working), 0, 10), GRID, 10.0)

    assert (band.low, band.high) == ((10.0, 15.0), (25.0, 30.0))
    assert band.gaps == (10.0,)
    assert band.facts()["gaps"] == [10.0]
