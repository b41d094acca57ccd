"""A task that is not repeatable, and its repair: found by killing it at every step.

flyte test crash examples/crash.py careless
flyte test crash examples/crash.py careful

The first one says:

    calls differ: crash.settle is called with another invoice (examples/crash.py:43)
        invoice: 'inv-482' before the crash, 'inv-913' after it
    […] Seen to happen twice:
        crash.settle appends to ledger.txt (examples/crash.py:26): twice when killed before 3, after 3

A crash between the payment and the end of the run pays a second invoice, because the number is drawn anew.  `careful`
draws it in a trace, whose result is recorded, and pays only what is not in the ledger yet.
"""

import random
from pathlib import Path

import flyte

env = flyte.TaskEnvironment(name="crash")


def pay(invoice: str) -> None:
    with Path("ledger.txt").open("a") as ledger:
        ledger.write(f"{invoice}\n")


def is_paid(invoice: str) -> bool:
    ledger = Path("ledger.txt")
    return ledger.exists() and invoice in ledger.read_text().split()


@env.task
def settle(invoice: str) -> str:
    pay(invoice)
    return "paid"


@env.task
def careless() -> str:
    return settle(f"inv-{random.randrange(1000)}")


@flyte.trace
def drawn() -> str:
    return f"inv-{random.randrange(1000)}"


@env.task
def settle_once(invoice: str) -> str:
    if not is_paid(invoice):
        pay(invoice)
    return "paid"


@env.task
def careful() -> str:
    return settle_once(drawn())
