"""Container images: their parts, and changing them wherever a pod template stands in an object."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from fedsvc.rendering.canonical import JsonObject

_CONTAINER_LISTS: Final = frozenset({"containers", "initContainers", "ephemeralContainers"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOverride:
    """Changes the images whose name (without tag and digest) equals `name`, in every container of every pod template.

    Attributes:
        name: image name as the template writes it, such as ``nginx`` or ``registry:5000/team/app``.
        new_name: the name put in its place; "" keeps it.
        new_tag: the tag put in its place; "" keeps it. Setting a tag drops a digest, which would win over it.
        digest: ``sha256:...`` put in its place; "" keeps it. Setting a digest drops a tag, unless `new_tag` is set too.
    """

    name: str
    new_name: str = ""
    new_tag: str = ""
    digest: str = ""


def split_image(image: str) -> tuple[str, str, str]:
    """(name, tag, digest) of ``registry:5000/team/app:1.2@sha256:...``; "" for what is absent."""
    rest, _, image_digest = image.partition("@")
    slash = rest.rfind("/")
    colon = rest.rfind(":")
    # A colon before the last slash belongs to the registry's port.
    if colon > slash:
        return rest[:colon], rest[colon + 1 :], image_digest
    return rest, "", image_digest


def override_image(image: str, override: ImageOverride) -> str:
    """The image with the override carried out; unchanged where its name is another."""
    name, tag, image_digest = split_image(image)
    if name != override.name:
        return image
    if override.new_tag or override.digest:
        tag, image_digest = override.new_tag, override.digest
    return "".join(
        (
            override.new_name or name,
            f":{tag}" if tag else "",
            f"@{image_digest}" if image_digest else "",
        )
    )


def containers_of(manifest: JsonObject) -> Iterator[JsonObject]:
    """Every container of every pod template in the object, at any depth: Pod, Deployment, CronJob, custom kinds."""
    stack: list[Any] = [manifest]
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            stack += [child for child in value if isinstance(child, (dict, list))]
            continue
        for name, child in value.items():
            if name in _CONTAINER_LISTS and isinstance(child, list):
                # Nothing below a container is a pod template, and most of an object lies there.
                yield from (item for item in child if isinstance(item, dict) and "image" in item)
            elif isinstance(child, (dict, list)):
                stack.append(child)


def image_names(manifest: JsonObject) -> set[str]:
    """The names (without tag and digest) of all images in the object."""
    return {split_image(image)[0] for item in containers_of(manifest) if isinstance(image := item["image"], str)}


def override_images(manifest: JsonObject, overrides: tuple[ImageOverride, ...]) -> None:
    """Carry out image overrides in order, in place."""
    for container in containers_of(manifest):
        image = container["image"]
        if isinstance(image, str):
            for override in overrides:
                image = override_image(image, override)
            container["image"] = image
