"""A connection's settings, checked, and the TLS context they ask for.

A connection arrives over the API and is hostile until checked: only addresses that the API server of a cluster may
have, and nothing that is read from a file of this machine.
"""

import ipaddress
import ssl
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from fedsvc.members.errors import MemberSettingsError
from fedsvc.model.cluster import Connection, Credential

_JOIN_AGAIN: Final = "mend it and join the cluster again"


def endpoint_problem(endpoint: str) -> str | None:
    """What is wrong with the address of an API server, or None. Plain http is let through to loopback only."""
    return _address_problem(endpoint, schemes=("https", "http"), plain_to_loopback_only=True)


def proxy_problem(proxy_url: str) -> str | None:
    """What is wrong with the address of a proxy, or None."""
    return _address_problem(proxy_url, schemes=("http", "https"), plain_to_loopback_only=False)


def check_connection(connection: Connection) -> str:
    """The endpoint without a slash at its end.

    Raises:
        MemberSettingsError: endpoint or proxy cannot be used.
    """
    if (problem := endpoint_problem(connection.endpoint)) is not None:
        raise MemberSettingsError(f"the endpoint {connection.endpoint!r} {problem}; {_JOIN_AGAIN}")
    if connection.proxy_url and (problem := proxy_problem(connection.proxy_url)) is not None:
        raise MemberSettingsError(f"the proxy {connection.proxy_url!r} {problem}; {_JOIN_AGAIN}")
    return connection.endpoint.rstrip("/")


def tls_context(connection: Connection) -> ssl.SSLContext:
    """A context that trusts the cluster's authorities alone, and shows the client certificate where there is one.

    Raises:
        MemberSettingsError: authorities, certificate or key cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if connection.insecure_skip_tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif connection.ca_pem:
        try:
            context.load_verify_locations(cadata=connection.ca_pem.decode("ascii"))
        except (ssl.SSLError, UnicodeDecodeError) as error:
            raise MemberSettingsError(
                f"the cluster's authority (ca_pem) is not a PEM certificate; {_JOIN_AGAIN}"
            ) from error
    else:
        context.load_default_certs()
    if connection.credential.client_certificate_pem:
        _load_client_certificate(context, connection.credential)
    return context


def is_loopback(host: str) -> bool:
    """Whether `host` can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _load_client_certificate(context: ssl.SSLContext, credential: Credential) -> None:
    # OpenSSL's binding in Python reads certificate and key from files only; both live for the time of the call.
    with tempfile.TemporaryDirectory(prefix="fedsvc-tls-") as folder:
        certificate, key = Path(folder, "certificate"), Path(folder, "key")
        certificate.write_bytes(credential.client_certificate_pem)
        key.touch(mode=0o600)
        key.write_bytes(credential.client_key_pem)
        try:
            context.load_cert_chain(certificate, key, password=_refuse_passphrase)
        except (ssl.SSLError, ValueError) as error:
            raise MemberSettingsError(
                f"the client certificate and its key are not a pair of PEM documents without passphrase; {_JOIN_AGAIN}"
            ) from error


def _refuse_passphrase() -> bytes:
    # Without a callback OpenSSL would ask at the terminal of the server.
    raise ValueError("the key has a passphrase")


def _address_problem(address: str, *, schemes: tuple[str, ...], plain_to_loopback_only: bool) -> str | None:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return "is not an address; write https://host:port"
    if (problem := _parts_problem(address, parts, schemes)) is not None:
        return problem
    if port == 0:
        return "has the port 0"
    if plain_to_loopback_only and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        return "is plain http, which would show the token to the network; write https:// (http only to loopback)"
    return None


def _parts_problem(address: str, parts: SplitResult, schemes: tuple[str, ...]) -> str | None:
    if parts.scheme not in schemes:
        return f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}"
    if not parts.hostname:
        return "names no host"
    if parts.username is not None or parts.password is not None:
        return "may not hold a user name or password"
    if parts.query or parts.fragment or "?" in address or "#" in address:
        return "may not have a query or fragment"
    if any(character.isspace() or ord(character) < 0x20 for character in address):
        return "may not hold spaces"
    return None
