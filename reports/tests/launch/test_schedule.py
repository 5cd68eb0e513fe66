"""Shards are started where there is room, lost ones elsewhere, and an interruption stops all of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reports.launch.local import LocalPool
from reports.launch.machines import Farm
from reports.launch.schedule import Job, Schedule
from reports.launch.shards import Shard
from reports.tests.launch.farms import farm, host


class FakeAttempt:
    """Ends with a status at the second look."""

    def __init__(self, pool: "FakePool", name: str, status: int, place: str) -> None:
        self.pool, self.name, self.final, self.place, self.looks = pool, name, status, place, 0

    def status(self) -> int | None:
        self.looks += 1
        if self.looks < 2:
            return None
        self.pool.running.discard(self.name)
        return self.final

    def reason(self) -> str:
        return "killed"

    def stop(self) -> None:
        self.pool.stopped.append(self.name)


class FakePool:
    """places: how many run at a time. statuses: of each start, by the name of the shard; 0 after these."""

    def __init__(self, places: int = 2, **statuses: list[int]) -> None:
        self.places, self.statuses = places, statuses
        self.running, self.starts, self.stopped, self.most = set[str](), list[tuple[str, frozenset[str]]](), [], 0
        self.closed = False

    def start(self, shard: Shard, folder: Path, arguments: list[str], lost_at: frozenset[str]) -> FakeAttempt | None:
        if len(self.running) >= self.places:
            return None
        self.running.add(shard.name)
        self.most = max(self.most, len(self.running))
        self.starts.append((shard.name, lost_at))
        left = self.statuses.get(shard.name, [])
        return FakeAttempt(self, shard.name, left.pop(0) if left else 0, f"place {len(self.starts)}")

    def close(self) -> None:
        self.closed = True


def run(pool: FakePool, folder: Path, names: str = "abcde", retries: int = 2) -> tuple[list[Job], list[str]]:
    lines: list[str] = []
    jobs = [Job(shard(name), folder / name, []) for name in names]
    for name in names:
        (folder / f"{name}.log").write_text("collecting\nERROR: no CUDA device for --gpu (missing); run elsewhere\n")
    Schedule(jobs, pool, retries, lines.append, poll=0).run()
    return jobs, lines


def shard(name: str, gpus: int = 0) -> Shard:
    return Shard(name=name, model=name, cells=3, gpus=gpus, memory=1)


def test_more_shards_than_places_all_run_in_order(tmp_path: Path) -> None:
    pool = FakePool()
    jobs, _ = run(pool, tmp_path)

    assert [name for name, _ in pool.starts] == list("abcde")
    assert pool.most == 2
    assert pool.closed
    assert not any(job.failure for job in jobs)


def test_a_lost_shard_is_started_again_and_told_where_it_was_lost(tmp_path: Path) -> None:
    pool = FakePool(1, a=[-9, -9, 1])
    (job,), lines = run(pool, tmp_path, "a")

    assert pool.starts == [
        ("a", frozenset()),
        ("a", frozenset({"place 1"})),
        ("a", frozenset({"place 1", "place 2"})),
    ]
    assert job.failure == ""
    assert sum("lost on place" in line for line in lines) == 2


def test_a_shard_that_is_lost_too_often_fails_and_the_others_run(tmp_path: Path) -> None:
    pool = FakePool(1, a=[-9, -9])
    (lost, other), lines = run(pool, tmp_path, "ab", retries=1)

    assert lost.failure == "lost 2 times, the last time on place 3 (killed)"
    assert other.failure == ""
    assert any(line.endswith(lost.failure) for line in lines)


def test_a_shard_that_pytest_refuses_is_not_tried_again(tmp_path: Path) -> None:
    pool = FakePool(1, a=[4])
    (job,), _ = run(pool, tmp_path, "a")

    assert job.failure == "pytest ended with exit status 4: no CUDA device for --gpu (missing); run elsewhere"
    assert len(pool.starts) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_stops_every_running_shard(tmp_path: Path, error: type[BaseException]) -> None:
    def interrupt(line: str) -> None:
        if line.endswith("c.log") and not pool.stopped:
            raise error

    pool = FakePool(3, a=[0])
    jobs = [Job(shard(name), tmp_path / name, []) for name in "abcd"]
    with pytest.raises(error):
        Schedule(jobs, pool, 2, interrupt, poll=0).run()

    assert pool.stopped == ["a", "b", "c"]
    assert pool.closed


def test_a_line_is_written_when_nothing_happens_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.launch.schedule.EVERY", 0.0)
    _, lines = run(FakePool(1), tmp_path, "ab")
    assert any(line.endswith("a 0/3 checks; b waits") for line in lines)


class Process:
    """Stands for pytest; statuses: what it answers."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings, self.ended = settings, False

    def status(self) -> int | None:
        return 0 if self.ended else None


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Process]:
    """The processes that a pool starts."""
    processes: list[Process] = []

    def start(folder: Path, arguments: list[str], settings: dict[str, str], directory: str) -> Process:
        processes.append(Process(settings))
        return processes[-1]

    monkeypatch.setattr("reports.launch.local.ShardProcess", start)
    return processes


Start = Callable[..., object]


def starter(machines: Farm) -> Start:
    pool = LocalPool(machines, ".")
    return lambda gpus, memory=1, lost_at=(): pool.start(
        shard("s", gpus).model_copy(update={"memory": memory * 10**9}), Path("s"), [], frozenset(lost_at)
    )


def test_each_shard_gets_a_gpu_of_its_own(started: list[Process]) -> None:
    start = starter(farm(host(80, 80, 80)))
    assert start(1)
    assert start(2)
    assert start(1) is None
    started[0].ended = True
    assert start(1)
    assert [process.settings["CUDA_VISIBLE_DEVICES"] for process in started] == ["0", "1,2", "0"]


def test_a_shard_takes_the_smallest_gpu_that_holds_it(started: list[Process]) -> None:
    start = starter(farm(host(80, 24, 48)))
    assert start(1, memory=30)
    assert start(1, memory=30)
    assert start(1, memory=30) is None
    assert start(1, memory=20)
    assert [process.settings["CUDA_VISIBLE_DEVICES"] for process in started] == ["2", "0", "1"]


def test_a_lost_shard_takes_another_gpu_if_one_is_free(started: list[Process]) -> None:
    start = starter(farm(host(80, 80)))
    assert start(1, lost_at=["GPU 0"])
    assert start(1, lost_at=["GPU 1"])
    assert [process.settings["CUDA_VISIBLE_DEVICES"] for process in started] == ["1", "0"]


def test_without_gpus_as_many_run_as_there_are_places(started: list[Process]) -> None:
    start = starter(farm(host(), places=2))
    assert start(0)
    assert start(0)
    assert start(0) is None
    assert started[0].settings == {}
