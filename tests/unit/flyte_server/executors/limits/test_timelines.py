"""Timelines: small whatever the length, resumed after a restart, without what a crash cut off."""

import itertools
from pathlib import Path

from flyte_server.blobs import timelines
from flyte_server.blobs.timelines import MOST, Sample, Timeline

SECOND = 1000


def filled(path: Path, count: int) -> Timeline:
    timeline = Timeline(path)
    for second in range(count):
        timeline.add(Sample(second * SECOND, second, second))
    return timeline


def test_samples_come_back_in_order(tmp_path: Path) -> None:
    path = timelines.path_beside(tmp_path / "run" / "a0" / "1.log")
    filled(path, 3)
    assert path == tmp_path / "run" / "a0" / "1.usage"
    assert timelines.read(path) == [Sample(0, 0, 0), Sample(1000, 1, 1), Sample(2000, 2, 2)]


def test_without_a_file_there_are_no_samples(tmp_path: Path) -> None:
    assert timelines.read(tmp_path / "1.usage") == []


def test_a_long_time_needs_no_more_lines(tmp_path: Path) -> None:
    path = tmp_path / "1.usage"
    filled(path, 10 * MOST)
    samples = timelines.read(path)
    assert MOST / 2 <= len(samples) <= MOST
    assert samples[0].at_ms == 0
    assert samples[-1].at_ms >= 9.9 * MOST * SECOND
    gaps = {later.at_ms - earlier.at_ms for earlier, later in itertools.pairwise(samples)}
    assert max(gaps) <= 2 * 16 * SECOND, "spread over the whole time"
    assert [each.name for each in tmp_path.iterdir()] == ["1.usage"]


def test_the_next_control_plane_goes_on_at_the_same_pace(tmp_path: Path) -> None:
    path = tmp_path / "1.usage"
    filled(path, 2 * MOST)
    resumed, earlier = Timeline.resumed(path)
    assert list(earlier) == timelines.read(path)
    for second in range(2 * MOST, 2 * MOST + 40):
        resumed.add(Sample(second * SECOND, second, second))
    assert len(timelines.read(path)) - len(earlier) <= 21


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "1.usage"
    path.write_text("1000 5 6 0\n2000 7")
    assert timelines.read(path) == [Sample(1000, 5, 6, 0)]
