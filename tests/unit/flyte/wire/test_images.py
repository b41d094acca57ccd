"""How addresses of images reach the tasks that a task calls."""

import pytest

import flyte
from flyte import errors
from flyte._images._cache import ImageCache
from flyte._wire import images, task_spec
from flyte._wire.images import KnownImages
from flyte._wire.task_spec import SerializationContext

env = flyte.TaskEnvironment(
    "env", image=flyte.Image.from_debian_base(name="i").with_pip_packages("six")
)
plain = flyte.TaskEnvironment("plain")


@env.task
def packaged() -> None: ...


@plain.task
def simple() -> None: ...


def test_a_task_tells_its_children_in_one_word() -> None:
    cache = ImageCache(image_lookup={"env": "venv:0123456789abcdef"})
    spec = task_spec.task_spec(packaged, SerializationContext(version="1", image_cache=cache))
    container = spec.task_template.container
    assert container.image == "venv:0123456789abcdef"
    words = list(container.args)
    word = words[words.index("--image-cache") + 1]
    told = KnownImages.from_transport(word)
    assert told.image_lookup == cache.image_lookup
    again = task_spec.task_spec(packaged, SerializationContext(version="1", image_cache=told))
    assert again == spec


def test_without_it_images_go_by_their_own_addresses() -> None:
    spec = task_spec.task_spec(packaged, SerializationContext(version="1"))
    assert spec.task_template.container.image == packaged.image.uri  # type: ignore[union-attr]
    assert "--image-cache" not in spec.task_template.container.args


def test_an_image_that_nobody_has_prepared_is_refused_and_the_default_one_is_not() -> None:
    known = KnownImages({}, "")
    with pytest.raises(errors.ImageBuildError, match="add its environment 'env' to depends_on"):
        images.address(packaged, known)
    assert images.address(simple, known) == flyte.Image.from_debian_base().uri


@pytest.mark.parametrize("word", ["", "no base64!", "e30=", "H4sI"])
def test_a_word_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(errors.ConfigError, match="start the run again"):
        KnownImages.from_transport(word)
