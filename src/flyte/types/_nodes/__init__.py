"""What the engine makes of one type hint: a node, which packs values into trees and gets them back.

What lives here: the node of every kind of type (`scalars` … `models`), how hints are read (`hints`), and trees as
bytes (`trees`).  Each module's `build(hint, build)` gives the node of a hint that it knows, or None.
What does not: protobuf, and which module is asked first (`flyte.types._engine`).
"""
