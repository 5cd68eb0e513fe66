"""Of several threads one has the turn; what waits for processes is done at the same time."""

import threading
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch

from steering_core.hosts.turn import Turn, computing_as_here

LONG = 30.0
"""Seconds after which a thread that waits for another one gives up."""


def test_one_thread_at_a_time_has_the_turn() -> None:
    turn, order = Turn(), list[str]()

    future = turn.begin(lambda: order.append("begun"))
    order.append("here")
    with turn.waiting():
        future.result(LONG)
    order.append("here again")

    assert order == ["here", "begun", "here again"]


def test_what_waits_is_done_at_the_same_time() -> None:
    """Each piece of work ends only after the other one has begun."""
    turn, begun = Turn(), [threading.Event(), threading.Event()]

    def work(number: int) -> int:
        begun[number].set()
        with turn.waiting():
            assert begun[1 - number].wait(LONG)
        return number

    assert turn.at_once([lambda: work(0), lambda: work(1)]) == [0, 1]


def test_what_work_raises_is_raised_when_all_of_it_is_over() -> None:
    turn, over = Turn(), list[int]()

    def fail(number: int) -> None:
        over.append(number)
        raise ValueError(str(number))

    with pytest.raises(ValueError, match="0"):
        turn.at_once([lambda: fail(0), lambda: fail(1), lambda: over.append(2)])
    assert sorted(over) == [0, 1, 2]


def test_a_single_piece_of_work_is_done_here() -> None:
    assert Turn().at_once([threading.get_ident]) == [threading.get_ident()]


def test_ctrl_c_while_a_turn_is_waited_for_takes_it_from_nobody() -> None:
    turn, over = Turn(), threading.Event()
    real = turn.lock

    def have_the_turn(taken: threading.Event) -> None:
        with real:
            taken.set()
            over.wait()

    def wait_for_something() -> None:
        with turn.waiting():
            taken = threading.Event()
            threading.Thread(target=have_the_turn, args=[taken], daemon=True).start()
            taken.wait()
            turn.lock = cast("Any", Interrupted())

    with pytest.raises(KeyboardInterrupt):
        wait_for_something()
    turn.lock = real

    with turn.waiting():  # as the end of a run waits for its threads
        if taken_from_other := real.acquire(blocking=False):
            real.release()
        over.set()
    assert not taken_from_other


class Interrupted:
    """A lock that is waited for when Ctrl-C comes."""

    def acquire(self) -> bool:
        raise KeyboardInterrupt


def test_a_thread_computes_with_as_many_threads_as_the_one_that_starts_it() -> None:
    """Exact arithmetic on a CPU sets one; torch gives a new thread what was set last in any thread, and OpenMP its own
    default until torch is first used in it."""
    before, counts = torch.get_num_threads(), list[int]()
    torch.set_num_threads(1)
    run_in_thread(lambda: torch.set_num_threads(3))

    run_in_thread(computing_as_here(lambda: counts.append(torch.get_num_threads())))

    run_in_thread(lambda: torch.set_num_threads(before))
    torch.set_num_threads(before)
    assert counts == [1]


def run_in_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
