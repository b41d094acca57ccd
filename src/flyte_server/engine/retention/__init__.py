"""Keeps storage bounded: which ended runs go, when, and how, so that a kill at any moment leaves nothing half.

`limits` says how long and how much, `pins` what others still refer to, `usage` what is occupied, `removal` how a run
goes, `sweeping` what belongs to no run, `loop` when all of that is looked at.  Does not live here: SQL (`store`), and
where files lie (`blobs.kept`).
"""
