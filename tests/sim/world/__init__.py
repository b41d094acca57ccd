"""A world for the control plane: simulated hosts, user programs, users and trouble, in one deterministic loop.

Lives here: everything around the real engine, scheduler, reconciler and watching.  One seed makes one world; the same
seed makes the same world again, to the last event.  `play.py` plays one, `checker.py` judges it from the raw rows and
the world's own journal, `python -m tests.sim.world` plays many.
"""
