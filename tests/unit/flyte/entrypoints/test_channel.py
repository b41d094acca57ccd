"""Messages over a socket that never make anybody wait."""

import socket
from collections.abc import Iterator

import pytest

from flyte._entrypoints.channel import Channel


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    yield channel, theirs
    channel.close()
    theirs.close()


def test_messages_arrive_whole_however_they_are_cut(ends: tuple[Channel, socket.socket]) -> None:
    channel, peer = ends
    assert channel.receive() == []
    peer.sendall(b'{"op": "a"}\n{"op"')
    assert channel.receive() == [{"op": "a"}]
    peer.sendall(b': "b"}\n')
    assert channel.receive() == [{"op": "b"}]
    assert not channel.closed


def test_what_was_said_before_the_peer_left_counts(ends: tuple[Channel, socket.socket]) -> None:
    channel, peer = ends
    peer.sendall(b'{"op": "last words"}\n{"op": "cut o')
    peer.close()
    assert channel.receive() == [{"op": "last words"}]
    assert channel.receive() == []
    assert channel.closed


def test_a_peer_of_another_kind_is_hung_up_on(ends: tuple[Channel, socket.socket]) -> None:
    channel, peer = ends
    peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert channel.receive() == []
    assert channel.closed


def test_a_peer_that_does_not_read_makes_nobody_wait(
    ends: tuple[Channel, socket.socket],
) -> None:
    channel, peer = ends
    for number in range(20):
        channel.queue({"op": "big", "number": number, "text": "x" * 100_000})
    channel.flush()
    assert channel.pending
    received = b""
    while channel.pending or received.count(b"\n") < 20:
        received += peer.recv(1_000_000)
        channel.flush()
    assert received.count(b"\n") == 20


def test_saying_something_to_nobody_is_no_error(ends: tuple[Channel, socket.socket]) -> None:
    channel, peer = ends
    peer.close()
    channel.queue({"op": "hello"})
    channel.flush()
    channel.flush()
    assert channel.closed
    assert not channel.pending
