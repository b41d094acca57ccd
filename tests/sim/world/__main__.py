"""Play many seeds, or one of them exactly again.

python -m tests.sim.world --seeds 50000 --from 0 --jobs 2
python -m tests.sim.world --seed 123 -v
"""

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "src"))

from tests.sim.world import totals
from tests.sim.world.play import play
from tests.sim.world.totals import Totals

_CHUNK = 50


def main() -> int:
    """Exit 1 if a seed failed or proved nothing."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.world", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("-x", "--first-failure", action="store_true", help="stop at a failure")
    parser.add_argument("-v", "--verbose", action="store_true", help="every event")
    arguments = parser.parse_args()
    found = Totals()
    if arguments.seed is not None:
        played = play(arguments.seed, verbose=arguments.verbose)
        print(f"digest {played.digest}")
        found.add(played)
    else:
        seeds = range(arguments.first, arguments.first + arguments.seeds)
        chunks = [seeds[at : at + _CHUNK] for at in range(0, len(seeds), _CHUNK)]
        for part in _played(chunks, arguments.jobs, first_failure=arguments.first_failure):
            found.merge(part)
            for failed in part.failed:
                print(totals.told(failed), flush=True)
            if part.failed and arguments.first_failure:
                break
    print(found.report())
    return 1 if found.failed else 0


def _played(chunks: list[range], jobs: int, *, first_failure: bool) -> Iterator[Totals]:
    play_chunk = partial(play_all, first_failure=first_failure)
    if jobs == 1:
        yield from map(play_chunk, chunks)
        return
    with ProcessPoolExecutor(jobs) as pool:
        try:
            yield from pool.map(play_chunk, chunks)
        finally:
            pool.shutdown(cancel_futures=True)


def play_all(seeds: range, *, first_failure: bool = False) -> Totals:
    """What these seeds come to; with `first_failure` up to there."""
    found = Totals()
    for seed in seeds:
        played = play(seed)
        played.problems.extend(totals.shortcomings(played))
        found.add(played)
        if found.failed and first_failure:
            break
    return found


if __name__ == "__main__":
    sys.exit(main())
