"""2,000 drawn fault schedules. `python -m benchmarks.faults` plays 100,000, or one by its seed."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from .drawn import play

SCHEDULES = 2000


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_every_promise_holds_in_2000_fault_schedules(capsys: pytest.CaptureFixture[str]) -> None:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        outcomes = list(pool.map(play, range(SCHEDULES), chunksize=50))
    with capsys.disabled():
        print(f"\n{sum(each.faults for each in outcomes):,} faults in {len(outcomes):,} schedules")
    broken = {seed: each.broken for seed, each in enumerate(outcomes) if each.broken}
    assert not broken, "replay one with: python -m benchmarks.faults --seed N"


def test_a_seed_is_one_schedule() -> None:
    assert play(7) == play(7)
    assert play(7).story != play(8).story
