"""The whole control plane in simulated worlds: whatever breaks, what was accepted ends as it would have undisturbed.

Short by default; a longer run is `SIM_SEEDS=50000 SIM_FROM=100000 pytest tests/sim/test_world.py` or
`python -m tests.sim.world --seeds 50000`.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.sim.world import totals
from tests.sim.world.play import play
from tests.sim.world.totals import Totals

SEEDS = int(os.environ.get("SIM_SEEDS", "2000"))
FROM = int(os.environ.get("SIM_FROM", "0"))
CHUNK = 250
ENOUGH_FOR_EVERYTHING = 250


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(FROM, FROM + SEEDS, CHUNK))
def test_nothing_is_lost_and_nothing_lies(first: int) -> None:
    found = Totals()
    for seed in range(first, min(first + CHUNK, FROM + SEEDS)):
        played = play(seed)
        problems = [*played.problems, *totals.shortcomings(played)]
        assert not problems, totals.told(played)
        found.add(played)
    print(found.report())
    if found.seeds >= ENOUGH_FOR_EVERYTHING:
        assert not found.missing(), "kinds of trouble that did not happen"
        assert sum(found.faults.values()) > 5 * found.seeds
        assert found.deeds["success"] > found.seeds
        few = [deed for deed in ("answer", "park", "tick") if found.deeds[deed] < found.seeds / 3]
        assert not few, found.deeds


def test_a_seed_is_the_same_world_each_time() -> None:
    digests = [play(seed).digest for seed in range(6)]
    assert [play(seed).digest for seed in range(6)] == digests
    assert len(set(digests)) == len(digests)
    assert digests == _in_another_process()


def _in_another_process() -> list[str]:
    """With another order of sets of strings."""
    root = Path(__file__).parents[2]
    script = (
        "from tests.sim.world.play import play; print(*[play(seed).digest for seed in range(6)])"
    )
    env = {**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}", "PYTHONHASHSEED": "7"}
    made = subprocess.run(
        [sys.executable, "-c", script],
        env=env,
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.split()
