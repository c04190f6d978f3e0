"""Every schedule of worlds that are too large for CI, as far as the given number of states.

python -m benchmarks.checking [--states 1000000] [--world NAME]
"""

import argparse
import time
from collections.abc import Callable

from tests.checking import flight
from tests.checking.explorer import explore
from tests.checking.schedule import Scene
from tests.checking.small_worlds import LARGE_WORLDS, WORLDS

ALL = {**WORLDS, **LARGE_WORLDS}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checking", description=__doc__)
    parser.add_argument("--states", type=int, default=1_000_000, help="at most, of one world")
    parser.add_argument("--world", choices=ALL, action="append", help="by default the large ones")
    options = parser.parse_args()
    worlds: dict[str, Callable[[], Scene]] = ALL
    for name in options.world or LARGE_WORLDS:
        flight.forget()
        began = time.monotonic()
        report = explore(worlds[name](), most=options.states)
        print(f"{name}, {time.monotonic() - began:.0f} s: {report}", flush=True)


if __name__ == "__main__":
    main()
