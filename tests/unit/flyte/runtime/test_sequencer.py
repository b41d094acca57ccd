"""Names of calls: equal in every attempt, different for different calls."""

import threading

from flyte._ids import ActionID
from flyte._runtime.sequencer import Sequencer

PARENT = ActionID(name="a0", run_name="r1", project="p", domain="d")


def test_the_same_calls_have_the_same_names_in_the_next_attempt() -> None:
    calls = [("train", "h1", None), ("train", "h1", None), ("train", "h2", "folds")]
    first, second = Sequencer(PARENT), Sequencer(PARENT)
    assert [first.child(*call) for call in calls] == [second.child(*call) for call in calls]


def test_different_calls_may_come_in_any_order() -> None:
    first, second = Sequencer(PARENT), Sequencer(PARENT)
    one = {hash_: first.child("train", hash_, None) for hash_ in ("h1", "h2", "h3")}
    other = {hash_: second.child("train", hash_, None) for hash_ in ("h3", "h1", "h2")}
    assert one == other


def test_whatever_differs_gives_another_name() -> None:
    names = Sequencer(PARENT)
    calls = [
        ("train", "h1", None),
        ("train", "h1", None),
        ("train", "h2", None),
        ("test", "h1", None),
        ("train", "h1", "g"),
    ]
    made = [names.child(*call).name for call in calls]
    made.append(Sequencer(PARENT.new_sub_action("a1")).child("train", "h1", None).name)
    assert len(set(made)) == len(made)


def test_a_child_belongs_to_the_run_of_its_parent() -> None:
    child = Sequencer(PARENT).child("train", "h", None)
    assert (child.run_name, child.project, child.domain) == ("r1", "p", "d")
    assert len(child.name) <= 30


def test_threads_never_share_a_name() -> None:
    names = Sequencer(PARENT)
    made: list[str] = []

    def call() -> None:
        made.extend(names.child("train", "h", None).name for _ in range(200))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8 * 200
    again = Sequencer(PARENT)
    assert set(made) == {again.child("train", "h", None).name for _ in range(8 * 200)}
