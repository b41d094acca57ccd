"""Helpers around tasks that are no part of the platform.

Lives here: batching of records that many callers bring one by one.  Does not live here: anything that talks to a
control plane.
"""

from flyte.extras._batching import (
    BatchStats,
    CostEstimator,
    DynamicBatcher,
    Prompt,
    TokenBatcher,
    TokenEstimator,
)

__all__ = [
    "BatchStats",
    "CostEstimator",
    "DynamicBatcher",
    "Prompt",
    "TokenBatcher",
    "TokenEstimator",
]
