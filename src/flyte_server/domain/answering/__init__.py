"""Answers to conditions: which value fits which condition, and what is said to whoever comes too late.

Pure rules; the engine asks them in the transaction in which an answer is taken.
The first answer counts: every later one is refused with who answered, how and when.
"""

from flyte_server.domain.answering.rules import TYPES as TYPES
from flyte_server.domain.answering.rules import check as check
from flyte_server.domain.answering.rules import parsed as parsed
from flyte_server.domain.answering.rules import too_late as too_late
