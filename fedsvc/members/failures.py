"""From what aiohttp and OpenSSL raise to plain words."""

import socket
import ssl
from typing import Final

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError

from fedsvc.members.errors import (
    MemberError,
    MemberGarbageError,
    MemberSettingsError,
    MemberStatusError,
    MemberUnreachableError,
    UnreachableKind,
)

# Numbers of X509_V_ERR_*: OpenSSL's manual, X509_STORE_CTX_get_error.
_VERIFICATION: Final = {
    9: "the server's certificate is not valid yet: compare the clocks of both machines",
    10: "the server's certificate has expired: renew it in the cluster",
    18: "the server's certificate is self-signed and not the authority that is registered for the cluster",
    19: "the server's certificate was issued by an authority other than the one registered for the cluster",
    20: "the server's certificate was issued by an unknown authority, other than the one registered for the cluster",
    23: "the server's certificate was revoked",
    62: "the server's certificate is for another name",
    64: "the server's certificate is for another address",
}


def translate(error: BaseException, *, endpoint: str) -> MemberError:
    """The member's error that an exception of an HTTP request stands for."""
    if isinstance(error, TimeoutError):
        return MemberUnreachableError(UnreachableKind.TIMEOUT, f"{endpoint} did not answer in time")
    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        return MemberUnreachableError(
            UnreachableKind.PROXY, f"the proxy on the way to {endpoint} did not let us through: {error}"
        )
    if (cause := _tls_cause(error)) is not None:
        return _tls_error(cause, endpoint)
    if isinstance(error, ValueError):
        return MemberSettingsError(
            f"a request to {endpoint} cannot be formed from the cluster's settings: {_words(error)}"
        )
    if isinstance(error, aiohttp.ClientResponseError) or isinstance(error.__cause__, ContentEncodingError):
        return MemberGarbageError(f"{endpoint} does not speak HTTP as an API server does: {_words(error)}")
    return _network_error(error, endpoint)


def _tls_cause(error: BaseException) -> ssl.SSLError | None:
    """OpenSSL's own error. The exceptions of aiohttp around it pass for one, too, but know none of its details."""
    for candidate in (getattr(error, "certificate_error", None), getattr(error, "os_error", None), error.__cause__):
        if isinstance(candidate, ssl.SSLError):
            return candidate
    return error if isinstance(error, ssl.SSLError) else None


def _tls_error(cause: ssl.SSLError, endpoint: str) -> MemberError:
    if isinstance(cause, ssl.SSLCertVerificationError):
        told = getattr(cause, "verify_message", "") or str(cause)
        plain = _VERIFICATION.get(getattr(cause, "verify_code", 0), f"the server's certificate does not hold: {told}")
        return MemberUnreachableError(UnreachableKind.TLS, f"{endpoint}: {plain}")
    reason = cause.reason or str(cause)
    if "ALERT" in reason and ("CERTIFICATE" in reason or "ACCESS_DENIED" in reason or "UNKNOWN_CA" in reason):
        word = reason.replace("_", " ").lower()
        message = f"{endpoint} refused our client certificate ({word})"
        return MemberStatusError(code=401, reason="Unauthorized", message=message)
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return MemberUnreachableError(
            UnreachableKind.TLS, f"{endpoint} does not speak TLS: is it plain http, or another port?"
        )
    return MemberUnreachableError(
        UnreachableKind.TLS, f"{endpoint}: no TLS connection ({reason.replace('_', ' ').lower()})"
    )


def _network_error(error: BaseException, endpoint: str) -> MemberError:
    cause = getattr(error, "os_error", None) or error
    if isinstance(error, aiohttp.ClientConnectorDNSError) or isinstance(cause, socket.gaierror):
        return MemberUnreachableError(UnreachableKind.DNS, f"the host of {endpoint} is not found: {_words(cause)}")
    if isinstance(cause, ConnectionRefusedError):
        return MemberUnreachableError(
            UnreachableKind.REFUSED, f"{endpoint} refused the connection: nothing listens there"
        )
    if isinstance(cause, (ConnectionResetError, BrokenPipeError)) or isinstance(
        error, (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError)
    ):
        return MemberUnreachableError(UnreachableKind.RESET, f"the connection to {endpoint} broke off")
    if isinstance(error, aiohttp.ClientConnectorError):
        return MemberUnreachableError(UnreachableKind.NETWORK, f"{endpoint} cannot be reached: {_words(cause)}")
    return MemberUnreachableError(UnreachableKind.RESET, f"the connection to {endpoint} broke off: {_words(cause)}")


def _words(error: object) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error)
    return text[:300] if text else type(error).__name__
