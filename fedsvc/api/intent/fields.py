"""Fields that every release of Kubernetes refuses: what a wrong indentation or a missing quote makes of a manifest.

Only what no release takes and no custom resource can define: the fields of ObjectMeta, and the maps of ConfigMap and
Secret, whose values are text. All else is judged by the members, which know their schemas.
(https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/)
"""

import difflib
import re
from collections.abc import Iterator
from typing import Any, Final

from fedsvc.api.convert.masking import MASK
from fedsvc.rendering.canonical import JsonObject, json_type
from fedsvc.rendering.errors import Problem
from fedsvc.rendering.keys import split_api_version
from fedsvc.rendering.paths import child_path
from fedsvc.rendering.server_fields import SERVER_METADATA

_WRITTEN: Final = ("name", "namespace", "labels", "annotations", "finalizers", "generateName")
_METADATA: Final = frozenset(
    {*_WRITTEN, *SERVER_METADATA, "clusterName", "initializers"}  # the last two in releases before 1.24 and 1.16
)
# Go's base64.StdEncoding, which skips ends of lines.
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\Z")
_LINE_ENDS: Final = str.maketrans("", "", "\r\n")

# By kind of the core group: the maps it has, and whether their values are base64.
_MAPS: Final = {
    "ConfigMap": {"data": False, "binaryData": True},
    "Secret": {"data": True, "stringData": False},
}


def field_problems(manifest: JsonObject) -> list[Problem]:
    """What no cluster would take of a manifest whose identity is right; nothing of a value is told."""
    problems = [
        Problem(path=child_path("metadata", name), message=_unknown(name))
        for name in manifest["metadata"]
        if name not in _METADATA
    ]
    if split_api_version(manifest["apiVersion"])[0]:
        return problems
    for field, is_base64 in _MAPS.get(manifest["kind"], {}).items():
        problems.extend(_map_problems(manifest.get(field), field, manifest["kind"], is_base64=is_base64))
    return problems


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, _WRITTEN, n=1, cutoff=0.75)
    if near:
        return f"is no field of metadata: did you mean {near[0]}?"
    return f"is no field of metadata: is it indented too far? Of metadata are {', '.join(_WRITTEN[:-1])}"


def _map_problems(value: Any, field: str, kind: str, *, is_base64: bool) -> Iterator[Problem]:
    if value is None:
        return
    if not isinstance(value, dict):
        yield Problem(path=field, message=f"must be a mapping of keys to text, not {json_type(value)}")
        return
    plain = "stringData" if kind == "Secret" else "data"
    for key, text in value.items():
        if text is None or text == MASK:  # an API server reads null as "", and the mask is told elsewhere
            continue
        if not isinstance(text, str):
            yield Problem(path=child_path(field, key), message=_no_text(text, plain if is_base64 else ""))
        elif is_base64 and _BASE64.match(text.translate(_LINE_ENDS)) is None:
            message = f"is not base64: encode it (printf %s TEXT | base64), or write it as it is under {plain}"
            yield Problem(path=child_path(field, key), message=message)


def _no_text(value: Any, plain: str) -> str:
    """Say what would be right in place of a value that is no text; `plain` is where text stands as it is."""
    if isinstance(value, (dict, list)):
        return f"must be text, not {json_type(value)}: is it indented too far, or is a '|' missing after the key?"
    words = ", as YAML reads yes, no, on, off, y and n, too" if isinstance(value, bool) else ""
    where = f" and move it to {plain}, which is not base64" if plain else ""
    return f"must be text, not {json_type(value)}{words}: put it in quotes{where}"
