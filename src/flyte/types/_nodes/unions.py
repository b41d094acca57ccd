"""Nodes of unions: the member that went in is the member that comes out."""

import typing
from collections.abc import Iterable
from typing import Any

from flyte.types._nodes import hints, trees
from flyte.types._nodes.base import Build, Definitions, Fit, Kind, Mismatch, Node, Schema, found


class UnionNode(Node):
    """`A | B`, `Optional[A]`.

    Each kind of tree belongs to one member, its *owner*: strings to `str` if that is a member, otherwise to the first
    member that packs into strings.  A value of the owner travels bare, as every Flyte SDK writes it; one of another
    member too, if no member that is asked before could read it; else it is tagged with the member's name.
    """

    tag = "Typed Union"

    def __init__(self, members: list[Node]) -> None:
        self.members = members
        self.name = " | ".join(member.name for member in members)
        self.kinds: frozenset[Kind] = frozenset().union(*(member.kinds for member in members))
        self._owners = {kind: self._owner(kind) for kind in self.kinds}
        self._named = {f"{member.name}#{i}": member for i, member in enumerate(members)}
        self._names = {id(member): name for name, member in self._named.items()}

    def _owner(self, kind: Kind) -> Node:
        able = [member for member in self.members if kind in member.kinds]
        return next((member for member in able if member.native == kind), able[0])

    def parts(self) -> Iterable[Node]:
        return self.members

    def best(self, value: Any) -> list[Node]:
        """The members that fit a value best, in their order; raises Mismatch if none does."""
        fits = [(member.fit(value), member) for member in self.members]
        best = max(fit for fit, _ in fits)
        if best is Fit.NO:
            raise self._no_member(value)
        return [member for fit, member in fits if fit is best]

    def _no_member(self, value: Any) -> Mismatch:
        # A member that accepts the outermost type knows what is wrong inside.
        for member in self.members:
            try:
                member.pack(value)
            except Mismatch as mismatch:
                if mismatch.steps:
                    return mismatch
        return self.mismatch(value)

    def pack(self, value: Any) -> Any:
        best = self.best(value)
        tree = best[0].pack(value)
        if isinstance(tree, trees.Later):
            return self._pack_later(best[0], tree)
        owner = self._owners.get(trees.kind(tree))
        if owner in best:
            return tree if owner is best[0] else owner.pack(value)
        if trees.is_settled(tree):
            for member in self._asked(tree):
                if member is best[0]:
                    return tree
                if _reads(member, tree):
                    break
        return trees.Choice(self._names[id(best[0])], tree)

    def _pack_later(self, member: Node, tree: trees.Later) -> Any:
        """What comes later is of one of its member's kinds: bare if all of these are its own."""
        if all(self._owners[kind] is member for kind in member.kinds):
            return tree
        return trees.Choice(self._names[id(member)], tree)

    def _asked(self, tree: Any) -> list[Node]:
        """The members in the order in which they are asked to read a bare tree: the owner of its kind first."""
        owner = self._owners.get(trees.kind(tree))
        others = [member for member in self.members if member is not owner]
        return [owner, *others] if owner else others

    def unpack(self, tree: Any) -> Any:
        if isinstance(tree, trees.Choice):
            return self._chosen(tree)
        if isinstance(tree, trees.Arrived):
            return tree.value
        failures: list[Mismatch] = []
        for member in self._asked(tree):
            try:
                return member.unpack(tree)
            except Mismatch as mismatch:
                failures.append(mismatch)
        raise next((failure for failure in failures if failure.steps), self.mismatch(tree))

    def _chosen(self, choice: trees.Choice) -> Any:
        name = choice.member.rpartition("#")[0]
        same_name = (member for member in self.members if member.name == name)
        member = self._named.get(choice.member) or next(same_name, None)
        if member is None:
            raise Mismatch(self.name, f"a {name}: {found(choice.tree)}", f"add {name} to the union")
        return member.unpack(choice.tree)

    def fit(self, value: Any) -> Fit:
        return max(member.fit(value) for member in self.members)

    def schema(self, definitions: Definitions) -> Schema:
        return {"anyOf": [member.schema(definitions) for member in self.members]}


def _reads(member: Node, tree: Any) -> bool:
    try:
        member.unpack(tree)
    except Mismatch:
        return False
    except trees.Waiting:
        pass  # it would wait for the value, so it knows the tree
    return True


def build(hint: Any, build: Build) -> Node | None:
    """The node of a union's hint; None for others."""
    if not hints.is_union(hint):
        return None
    members: list[Node] = []
    for arg in typing.get_args(hint):
        node = build(arg)
        # An abstract container inside a union is a union itself.
        members += node.members if isinstance(node, UnionNode) else [node]
    return UnionNode(members) if len(members) > 1 else members[0]
