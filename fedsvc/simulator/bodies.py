"""Reading requests' bodies and writing answers."""

from typing import Any

import orjson
import yaml
from aiohttp import web

from fedsvc.simulator.errors import ApiError, bad_request, too_large, unsupported_media_type
from fedsvc.simulator.patches import APPLY_PATCH, SUPPORTED

Json = Any

BODY_LIMIT_BYTES = 3 * 1024 * 1024
_JSON = "application/json"


async def read_document(request: web.BaseRequest, *, default: Json = None) -> Json:
    """The body as JSON (or YAML, if its type says so).

    Raises:
        ApiError: 400 for what is neither, 413 for too much, 415 for other types.
    """
    data = await _read(request)
    if not data:
        if default is not None:
            return default
        raise bad_request("the request body is empty")
    content_type = request.content_type
    if content_type in {"application/yaml", "text/yaml"}:
        return _yaml(data)
    if content_type not in {_JSON, "application/octet-stream", "text/plain"} or content_type.endswith("protobuf"):
        raise unsupported_media_type("application/json, application/yaml")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        message = f"the object provided is unrecognized: couldn't get version/kind; json parse error: {error}"
        raise bad_request(message) from error


async def read_patch(request: web.BaseRequest) -> tuple[Json, str]:
    """The body of a patch, and its type.

    Raises:
        ApiError: 400 for what cannot be read, 413 for too much, 415 for unknown types.
    """
    content_type = request.content_type
    if content_type == "application/apply-patch+json":
        content_type = APPLY_PATCH
    if content_type not in SUPPORTED:
        raise unsupported_media_type(", ".join(SUPPORTED))
    data = await _read(request)
    try:
        return orjson.loads(data), content_type
    except orjson.JSONDecodeError as error:
        if content_type != APPLY_PATCH:
            raise bad_request(f"error decoding patch: {error}") from error
    return _yaml(data), content_type


def _yaml(data: bytes) -> Json:
    try:
        return yaml.load(data, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise bad_request(f"error decoding YAML: {error}") from error


async def _read(request: web.BaseRequest) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise too_large() from error


def answer(body: bytes | dict[str, Any], status: int = 200) -> web.Response:
    """An answer in JSON."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return web.Response(body=data, status=status, headers={"Content-Type": _JSON})


def failure(error: ApiError) -> web.Response:
    """The answer to a request that is refused."""
    response = answer(error.status(), error.code)
    if error.retry_after_seconds:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def text(body: str, status: int = 200) -> web.Response:
    """An answer in plain text."""
    return web.Response(body=body.encode(), status=status, headers={"Content-Type": "text/plain; charset=utf-8"})
