"""The file of the last zones: what is served until somebody gives newer ones. Whole or not there, never half."""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import orjson

from fedsvc_dns.server.zone_data import ZoneData, from_json, to_json

_HEADING = "fedsvc-zones 1 sha256:"


class KeptFileError(ValueError):
    """A file is not one of zones, or not as it was written."""


def keep(path: Path, zones: Iterable[ZoneData]) -> None:
    """Write zones in place of what the file had; a crash leaves the one or the other.

    Raises:
        OSError: it cannot be written.
    """
    body = to_json(zones)
    text = f"{_HEADING}{hashlib.sha256(body).hexdigest()}\n".encode() + body + b"\n"
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load_kept(path: Path) -> tuple[ZoneData, ...]:
    """The zones of a file.

    Raises:
        FileNotFoundError: there is none.
        KeptFileError: it is damaged, or of another kind.
    """
    heading, _, body = path.read_bytes().partition(b"\n")
    if not heading.startswith(_HEADING.encode()):
        raise KeptFileError(f"{path} is no file of zones: its first line does not begin with {_HEADING!r}")
    if heading.decode("ascii", "replace") != _HEADING + hashlib.sha256(body.removesuffix(b"\n")).hexdigest():
        raise KeptFileError(f"{path} is damaged: what it holds does not have the digest of its first line")
    try:
        given = orjson.loads(body)
        if not isinstance(given, list):
            raise KeptFileError(f"{path}: a list of zones is needed")
        return tuple(from_json(one, f"zones[{index}]") for index, one in enumerate(given))
    except ValueError as error:
        raise KeptFileError(f"{path}: {error}") from error
