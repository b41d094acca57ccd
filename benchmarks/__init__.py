"""Times, recorded and compared, never asserted: `make bench` writes `benchmarks/results/<date>.json`.

Counts (modules imported, statements, requests) are asserted in `tests/arch`; times depend on the machine, so every
result carries a calibration of the machine it was measured on.
"""
