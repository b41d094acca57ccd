"""What went into an action and came out of it.

Lives here: inputs and outputs as Python values (`values`), and the large ones, which are fetched from the control
plane's store when somebody looks at them (`large`).  Does not live here: actions themselves.
"""

from flyte.remote._data.large import LinkCarrier
from flyte.remote._data.values import ActionInputs, ActionOutputs

__all__ = ["ActionInputs", "ActionOutputs", "LinkCarrier"]
