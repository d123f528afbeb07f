"""The state folder: one file a cluster, the authority, and the port, each written whole or not at all."""

import os
from pathlib import Path
from typing import Any

import orjson

from fedsvc.simulator.certificates import KeyPair

_PORT = "port"
_AUTHORITY = "authority.json"


def load_cluster(folder: Path, name: str) -> dict[str, Any] | None:
    """What a cluster was like, or None where it is new."""
    path = folder / f"{name}.cluster.json"
    if not path.exists():
        return None
    snapshot: dict[str, Any] = orjson.loads(path.read_bytes())
    return snapshot


def save_cluster(folder: Path, name: str, snapshot: dict[str, Any]) -> None:
    """Keep what a cluster is like."""
    _write(folder / f"{name}.cluster.json", orjson.dumps(snapshot))


def load_port(folder: Path) -> int:
    """The port of last time, or 0."""
    path = folder / _PORT
    return int(path.read_text()) if path.exists() else 0


def save_port(folder: Path, port: int) -> None:
    """Keep the port, so that kubeconfigs stay good."""
    _write(folder / _PORT, str(port).encode())


def load_authority(folder: Path) -> KeyPair | None:
    """The certificate authority of last time, or None."""
    path = folder / _AUTHORITY
    if not path.exists():
        return None
    document = orjson.loads(path.read_bytes())
    return KeyPair(certificate_pem=document["certificate"].encode(), key_pem=document["key"].encode())


def save_authority(folder: Path, authority: KeyPair) -> None:
    """Keep the certificate authority."""
    document = {"certificate": authority.certificate_pem.decode(), "key": authority.key_pem.decode()}
    _write(folder / _AUTHORITY, orjson.dumps(document))


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    part.replace(path)
