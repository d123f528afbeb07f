"""Sealing of secrets at rest: AES-256-GCM under keys that are kept in a file outside of the database.

The file has a line `key-id:base64` for each key; the first seals, all open, so a new first line is how a key rotates.
A sealed value is 12 random bytes of nonce, then the ciphertext; the context it belongs to and the key's id are
authenticated with it, so a sealed value moved elsewhere does not open.
"""

import base64
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fedsvc.errors import ConfigurationError

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class SealError(Exception):
    """A sealed value cannot be opened: its key is not there, or it was tampered with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealer:
    """Seals with the first key, opens with any."""

    keys: dict[str, bytes] = field(repr=False)  # by id; the first one is active

    @property
    def key_id(self) -> str:
        """Id of the key that seals."""
        return next(iter(self.keys))

    def seal(self, plaintext: bytes, context: str) -> bytes:
        """Seal for a context, such as "cluster/eu-1"."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        aad = f"{self.key_id}\0{context}".encode()
        return self.key_id.encode() + b"\0" + nonce + AESGCM(self.keys[self.key_id]).encrypt(nonce, plaintext, aad)

    def open(self, sealed: bytes, context: str) -> bytes:
        """Open what was sealed for the same context.

        Raises:
            SealError: the key is not in the key file, or the value is not what was sealed.
        """
        key_id, _, rest = sealed.partition(b"\0")
        key = self.keys.get(key_id.decode(errors="replace"))
        if key is None:
            known = ", ".join(self.keys)
            raise SealError(
                f"{context} is sealed under key {key_id.decode(errors='replace')!r}, and the key file has only {known}: "
                "start with the key file it was written with"
            )
        try:
            return AESGCM(key).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], key_id + b"\0" + context.encode())
        except (InvalidTag, ValueError) as error:  # ValueError: too short to hold a nonce
            raise SealError(f"{context} does not open: it was changed, or the key file is another one") from error

    def keyed_digest(self, body: bytes) -> bytes:
        """HMAC-SHA-256 under a key derived from the oldest one: equal bodies are seen, guessed ones are not.

        The oldest stays where it is when a new key is put before it, so rotating changes no digest and applies nothing.
        """
        key = hashlib.sha256(b"fedsvc digest\0" + tuple(self.keys.values())[-1]).digest()
        return hmac.digest(key, body, "sha256")


def load_keyring(path: Path) -> Sealer:
    """The keys in a file; a file that is missing is made, readable by its owner only.

    Raises:
        ConfigurationError: it cannot be read or made, or is not a key file.
    """
    try:
        if not path.exists():
            _make(path)
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--key-file {path}: {error}") from error
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        key_id, _, encoded = line.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except ValueError:
            key = b""
        if not key_id or len(key) != _KEY_BYTES:
            raise ConfigurationError(f"--key-file {path}: line {number} is not 'id:' and 32 bytes in base64")
        keys[key_id] = key
    if not keys:
        raise ConfigurationError(f"--key-file {path}: holds no key; remove the file to have one made")
    return Sealer(keys=keys)


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    line = f"k{secrets.token_hex(4)}:{base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}\n"
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write("# Keys that seal secrets in the database. Keep a copy: without it they cannot be opened.\n" + line)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
