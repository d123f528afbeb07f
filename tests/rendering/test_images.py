"""Image overrides have the meaning they have in kustomize."""

import copy
from typing import Any

import pytest

from fedsvc.rendering.images import ImageOverride, override_image, override_images, split_image

SHA = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("nginx", ("nginx", "", "")),
        ("nginx:1.27", ("nginx", "1.27", "")),
        ("registry:5000/team/app", ("registry:5000/team/app", "", "")),
        ("registry:5000/team/app:1", ("registry:5000/team/app", "1", "")),
        (f"nginx:1@{SHA}", ("nginx", "1", SHA)),
        (f"registry:5000/app@{SHA}", ("registry:5000/app", "", SHA)),
    ],
    ids=str,
)
def test_parts_of_an_image(image: str, parts: tuple[str, str, str]) -> None:
    assert split_image(image) == parts


@pytest.mark.parametrize(
    ("image", "override", "expected"),
    [
        pytest.param("nginx", ImageOverride(name="nginx", new_tag="2"), "nginx:2", id="tag added"),
        pytest.param(f"nginx@{SHA}", ImageOverride(name="nginx", new_tag="2"), "nginx:2", id="tag drops digest"),
        pytest.param("nginx:1", ImageOverride(name="nginx", digest=SHA), f"nginx@{SHA}", id="digest drops tag"),
        pytest.param("nginx:1", ImageOverride(name="nginx", new_tag="2", digest=SHA), f"nginx:2@{SHA}", id="both"),
        pytest.param("nginx:1", ImageOverride(name="nginx", new_name="eu:5000/n"), "eu:5000/n:1", id="name keeps tag"),
        pytest.param("my/nginx:1", ImageOverride(name="nginx", new_tag="2"), "my/nginx:1", id="another image"),
        pytest.param("h:5000/a", ImageOverride(name="h", new_tag="2"), "h:5000/a", id="a port is no tag"),
    ],
)
def test_one_image(image: str, override: ImageOverride, expected: str) -> None:
    assert override_image(image, override) == expected


POD = {
    "containers": [{"image": "a:1"}],
    "initContainers": [{"image": "a:1"}],
    "ephemeralContainers": [{"image": "a:1"}],
}


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param({"spec": POD}, id="Pod"),
        pytest.param({"spec": {"template": {"spec": POD}}}, id="Deployment"),
        pytest.param({"spec": {"jobTemplate": {"spec": {"template": {"spec": POD}}}}}, id="CronJob"),
        pytest.param({"template": {"spec": POD}}, id="PodTemplate"),
        pytest.param({"spec": {"groups": [{"template": {"spec": POD}}]}}, id="custom kind with a list of templates"),
    ],
)
def test_every_container_of_every_template_is_changed(manifest: dict[str, Any]) -> None:
    text = str(manifest)
    fresh = copy.deepcopy(manifest)
    override_images(fresh, (ImageOverride(name="a", new_name="b"), ImageOverride(name="b", new_tag="2")))
    assert str(fresh) == text.replace("a:1", "b:2")


def test_containers_that_are_none_are_left_alone() -> None:
    schema = {"containers": {"image": "a:1"}, "initContainers": ["a:1", {"image": 5}], "x": {"containers": None}}
    manifest = {"spec": schema}
    override_images(manifest, (ImageOverride(name="a", new_tag="2"),))
    assert manifest == {"spec": schema}
