"""What this machine has: CPUs, memory, disk, accelerators.

Looks and counts; decides nothing, and knows neither actions nor executors.  Only `app` imports it.
"""
