"""What a run tells when it ends: to a web address, Slack, Teams, or by email.

Lives here: the words, for `flyte.with_runcontext(notifications=…)` and `flyte.Trigger(notifications=…)`.  Does not live
here: the sending, which the control plane does, so that a run tells its end although nobody waits for it.
"""

from flyte.notify._words import (
    Email,
    NamedDelivery,
    NamedRule,
    Notification,
    Slack,
    Teams,
    Webhook,
)

__all__ = [
    "Email",
    "NamedDelivery",
    "NamedRule",
    "Notification",
    "Slack",
    "Teams",
    "Webhook",
]
