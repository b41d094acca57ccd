"""What this machine has: CPUs, memory, disk, accelerators.

Looks and counts, within the bounds of cgroups and of the masks in its own variables; decides nothing, and knows neither
actions nor executors.  `engine/admission/sizes.py` makes a capacity of it.
"""
