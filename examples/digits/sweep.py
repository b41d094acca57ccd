"""Which nearest-neighbour classifier reads handwritten digits best?  24 trainings, side by side.

    flyte run examples/digits/sweep.py sweep --folds 3           on this machine's control plane
    flyte run --local examples/digits/sweep.py sweep --folds 3   in one process, for a debugger
    python examples/digits/sweep.py                              as a script

Run it twice: the trainings of the second run come from the cache.  Kill the process of `sweep`
while it waits: it is started again, and neither finished trainings nor the traced step run twice.

The data is scikit-learn's digits: 1,797 images of 8 by 8 pixels, which ship with the package.
"""

import asyncio
from dataclasses import dataclass
from itertools import product
from typing import Literal, NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.neighbors import KNeighborsClassifier

import flyte

# Tasks of one environment share an image, resources and defaults.  Each training gets one thread:
# what runs in parallel is the grid.
training = flyte.TaskEnvironment(
    name="digits_training",
    resources=flyte.Resources(cpu=1, memory="512Mi"),
    env_vars={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    cache="auto",  # same code and same inputs: the result of an earlier run is taken
)

# A second environment with defaults of its own.  It calls tasks of the first: it depends on it.
digits = flyte.TaskEnvironment(
    name="digits",
    resources=flyte.Resources(cpu=(1, 2), memory="1Gi"),  # asks for one core, may use two
    depends_on=[training],
)


@dataclass(frozen=True)
class Knobs:
    """What a training may turn: one point of the grid."""

    neighbours: int
    weights: Literal["uniform", "distance"]
    metric: Literal["manhattan", "euclidean"]


@dataclass(frozen=True)
class Trained:
    """How well one point of the grid did in cross-validation."""

    knobs: Knobs
    mean: float
    spread: float


class Verdict(NamedTuple):
    """The outputs of the sweep, by name."""

    best: Trained
    accuracy: float


GRID = [
    Knobs(neighbours, weights, metric)
    for neighbours, weights, metric in product(
        (1, 2, 3, 5, 8, 13), ("uniform", "distance"), ("manhattan", "euclidean")
    )
]
SHAKY = Knobs(5, "uniform", "manhattan")


def split() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images to train on and unseen ones, then their digits; the same for everyone who asks."""
    images, labels = load_digits(return_X_y=True)
    return tuple(train_test_split(images, labels, test_size=0.25, random_state=0, stratify=labels))


def classifier(knobs: Knobs) -> KNeighborsClassifier:
    return KNeighborsClassifier(knobs.neighbours, weights=knobs.weights, metric=knobs.metric)


# A traced function is no task of its own, but its call is recorded: if `sweep` dies and is started
# again, the list is read back and the function is not called.
@flyte.trace
def informative_pixels(least_variance: float) -> list[int]:
    """The pixels that differ from image to image; the corners never do."""
    images, *_ = split()
    return [int(pixel) for pixel in np.flatnonzero(images.var(axis=0) > least_variance)]


@training.task(retries=2)
def train(knobs: Knobs, pixels: list[int], folds: int) -> Trained:
    """Cross-validate one point of the grid."""
    if knobs == SHAKY and flyte.ctx().attempt_number == 0:
        raise ConnectionError("the first attempt at this point fails on purpose, to be retried")
    images, _, labels, _ = split()
    scores = cross_val_score(classifier(knobs), images[:, pixels], labels, cv=folds)
    print(f"{knobs}: {scores.mean():.4f} ± {scores.std():.4f}")
    return Trained(knobs, mean=float(scores.mean()), spread=float(scores.std()))


@digits.task
async def sweep(folds: int = 3) -> Verdict:
    """Train every point of the grid at once; test the best one on images that no training saw."""
    pixels = informative_pixels(least_variance=1.0)
    print(f"{len(pixels)} of 64 pixels carry information; training {len(GRID)} classifiers")

    with flyte.group("grid"):
        trained = await asyncio.gather(*(train.aio(knobs, pixels, folds) for knobs in GRID))
    best = max(trained, key=lambda result: result.mean)

    images, unseen_images, labels, unseen_labels = split()
    model = classifier(best.knobs).fit(images[:, pixels], labels)
    accuracy = float(model.score(unseen_images[:, pixels], unseen_labels))
    print(f"best: {best.knobs}; it reads {accuracy:.2%} of the unseen digits")
    return Verdict(best, accuracy)


if __name__ == "__main__":
    flyte.init_from_config()  # without a configured endpoint, everything happens in this process
    run = flyte.run(sweep, folds=3)
    run.wait()
    print(run.outputs())
