"""Service-account tokens: signed JSON Web Tokens (RFC 7519) as TokenRequest gives them, by HMAC instead of a key pair. Pure."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

import orjson

ISSUER = "https://kubernetes.default.svc"
_HEADER = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a token says."""

    namespace: str
    name: str  # of the service account
    uid: str  # of the service account: a deleted and made again account does not accept old tokens
    issued_at: int  # seconds since the epoch
    expires_at: int | None  # seconds since the epoch; None of a token in a Secret
    generation: int = 0  # all tokens of earlier generations were revoked
    audiences: tuple[str, ...] = (ISSUER,)


def issue(key: bytes, claims: Claims) -> str:
    """Make a token."""
    payload: dict[str, Any] = {
        "iss": ISSUER,
        "sub": f"system:serviceaccount:{claims.namespace}:{claims.name}",
        "aud": list(claims.audiences),
        "iat": claims.issued_at,
        "nbf": claims.issued_at,
        "kubernetes.io": {
            "namespace": claims.namespace,
            "serviceaccount": {"name": claims.name, "uid": claims.uid},
        },
        "generation": claims.generation,
    }
    if claims.expires_at is not None:
        payload["exp"] = claims.expires_at
    signed = f"{_HEADER}.{_encode(orjson.dumps(payload))}"
    return f"{signed}.{_signature(key, signed)}"


def read(key: bytes, token: str) -> Claims | None:
    """What a token says, or None where it is none of ours; expiry is the caller's to judge."""
    signed, _, signature = token.rpartition(".")
    header, _, payload = signed.partition(".")
    if header != _HEADER or not hmac.compare_digest(signature, _signature(key, signed)):
        return None
    document = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    account = document["kubernetes.io"]["serviceaccount"]
    return Claims(
        namespace=document["kubernetes.io"]["namespace"],
        name=account["name"],
        uid=account["uid"],
        issued_at=document["iat"],
        expires_at=document.get("exp"),
        generation=document["generation"],
        audiences=tuple(document["aud"]),
    )


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _signature(key: bytes, signed: str) -> str:
    return _encode(hmac.new(key, signed.encode(), hashlib.sha256).digest())
