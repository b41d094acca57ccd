"""Tasks that are deployed: started by name, called from other projects' code, and unchanged while this file is edited.

flyte deploy --all examples/deploying.py
flyte run deployed-task shop.order --item tea --pieces 3
flyte get task shop.order
"""

from dataclasses import dataclass

import flyte
from flyte.remote import Task

prices = flyte.TaskEnvironment(name="prices")


@dataclass
class Price:
    amount: float
    currency: str = "EUR"


@prices.task
def price_of(item: str, pieces: int = 1) -> Price:
    """What some pieces of an item cost."""
    return Price(len(item) * pieces)


# Deployed together: `flyte deploy examples/deploying.py shop` brings `prices` along, under the same version.
shop = flyte.TaskEnvironment(name="shop", depends_on=[prices])


@shop.task(entrypoint=True)
async def order(item: str, pieces: int = 1) -> str:
    """Order something at its price."""
    # By name, as a task of another team would be called: without its code here.
    known = Task.get("prices.price_of", auto_version="current")
    price = await known(item=item, pieces=pieces)
    return f"{pieces} {item}: {price.amount:.2f} {price.currency}"


if __name__ == "__main__":
    flyte.init(endpoint="local")
    flyte.deploy(shop)
    run = flyte.run(Task.get("shop.order", auto_version="latest"), item="tea", pieces=3)
    run.wait()
    print(run.outputs())
