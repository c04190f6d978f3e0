"""Fault schedules of the retrain controller: so many, or one by its seed, told as a story.

python -m benchmarks.faults [--schedules 100000] [--first 0] [--processes 2]
python -m benchmarks.faults --seed 4711
"""

import argparse
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from tests.checking.drawn import MOVES, Outcome, play

TOLD = 5
"""So many broken schedules are named."""
PROGRESS = 1000
"""After so many schedules, one line says how far it is."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this one schedule, and tell its story")
    parser.add_argument("--schedules", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--moves", type=int, default=MOVES, help="of one schedule")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    if options.seed is not None:
        tell(play(options.seed, options.moves))
        return
    seeds = range(options.first, options.first + options.schedules)
    began = time.monotonic()
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        run = partial(play, moves=options.moves)
        summary = count(zip(seeds, pool.map(run, seeds, chunksize=100), strict=True))
    print(f"seeds {seeds.start} to {seeds.stop - 1}, {time.monotonic() - began:.0f} s: {summary}")


def tell(outcome: Outcome) -> None:
    print(*outcome.story, sep="\n")
    print(outcome.broken or "Every promise held.")


def count(outcomes: Iterable[tuple[int, Outcome]]) -> str:
    faults = broken = 0
    summary = "none"
    for schedules, (seed, outcome) in enumerate(outcomes, 1):
        faults += outcome.faults
        broken += outcome.broken is not None
        if outcome.broken and broken <= TOLD:
            print(f"--seed {seed}: {outcome.broken}", flush=True)
        summary = f"{schedules:,} schedules, {faults:,} faults, {broken:,} broken"
        if schedules % PROGRESS == 0:
            print(f"up to seed {seed}: {summary}", flush=True)
    return summary


if __name__ == "__main__":
    main()
