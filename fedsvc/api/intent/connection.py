"""The connection of a member cluster: hostile until checked, credentials above all."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from fedsvc.api.convert.cluster import read_connection
from fedsvc.api.problems import Problems
from fedsvc.members.settings import endpoint_problem, proxy_problem
from fedsvc.model.cluster import Cluster, Connection, Credential
from fedsvc.rendering.names import dns_label_problem, subdomain_problem
from fedsvc.v1 import cluster_pb2

_PATH: Final = "cluster.connection"
_MAX_TOKEN_BYTES: Final = 64 * 1024
_MAX_PEM_BYTES: Final = 256 * 1024
_MAX_URL: Final = 2_048


def checked_connection(
    message: cluster_pb2.Cluster, stored: Cluster | None, now: datetime, problems: Problems
) -> Connection:
    """The connection that a request brings.

    Credentials are never returned, so a connection that was read and sent back has none: it keeps the stored one.
    """
    if not message.HasField("connection"):
        problems.add(_PATH, "is missing: it must tell at least the endpoint and a credential")
        return Connection(endpoint="")
    connection = read_connection(message.connection, _PATH, problems)
    _check_addresses(connection, problems)
    _check_tls(connection, problems)
    _check_account(connection, problems)
    if not message.connection.HasField("credential") and stored is not None:
        return replace(connection, credential=stored.connection.credential)
    _check_credential(connection.credential, f"{_PATH}.credential", now, problems)
    return connection


def connection_warnings(connection: Connection, now: datetime) -> list[str]:
    """What is odd but not wrong with a connection."""
    warnings = []
    if connection.insecure_skip_tls_verify:
        warnings.append("the server's certificate is not verified: whoever stands between can read the credential")
    expires = connection.credential.token_expire_time
    if expires is not None and expires <= now:
        warnings.append(f"the token ended at {expires.isoformat()}: join the cluster again for a new one")
    elif expires is not None and not connection.service_account:
        warnings.append(f"the token ends at {expires.isoformat()} and cannot be renewed without a service_account")
    return warnings


def _check_addresses(connection: Connection, problems: Problems) -> None:
    if not connection.endpoint:
        problems.add(f"{_PATH}.endpoint", "is missing: write https://host:port of the API server")
    elif len(connection.endpoint) > _MAX_URL:
        problems.add(f"{_PATH}.endpoint", f"has more than {_MAX_URL} characters")
    elif (problem := endpoint_problem(connection.endpoint)) is not None:
        problems.add(f"{_PATH}.endpoint", problem)
    if len(connection.proxy_url) > _MAX_URL:
        problems.add(f"{_PATH}.proxy_url", f"has more than {_MAX_URL} characters")
    elif connection.proxy_url and (problem := proxy_problem(connection.proxy_url)) is not None:
        problems.add(f"{_PATH}.proxy_url", problem)


def _check_tls(connection: Connection, problems: Problems) -> None:
    if connection.ca_pem:
        if connection.insecure_skip_tls_verify:
            problems.add(f"{_PATH}.insecure_skip_tls_verify", "contradicts ca_pem: give one of the two")
        _read_certificate(connection.ca_pem, f"{_PATH}.ca_pem", problems)
    if connection.tls_server_name and (problem := subdomain_problem(connection.tls_server_name.lower())) is not None:
        problems.add(f"{_PATH}.tls_server_name", problem)


def _check_account(connection: Connection, problems: Problems) -> None:
    for name, value in (
        ("member_namespace", connection.member_namespace),
        ("service_account", connection.service_account),
    ):
        if value and (problem := dns_label_problem(value)) is not None:
            problems.add(f"{_PATH}.{name}", problem)
    if len(connection.rights) > _MAX_URL:
        problems.add(f"{_PATH}.rights", f"has more than {_MAX_URL} characters")


def _check_credential(credential: Credential, path: str, now: datetime, problems: Problems) -> None:
    if not credential.token and not credential.client_certificate_pem and not credential.client_key_pem:
        problems.add(path, "is missing: give a token, or client_certificate_pem and client_key_pem")
        return
    if len(credential.token) > _MAX_TOKEN_BYTES:
        problems.add(f"{path}.token", f"has more than {_MAX_TOKEN_BYTES} characters")
    elif not credential.token.isascii() or any(not 0x20 < ord(character) < 0x7F for character in credential.token):
        problems.add(f"{path}.token", "may hold visible ASCII characters only: no spaces, no line ends")
    if credential.client_key_pem and not credential.client_certificate_pem:
        problems.add(f"{path}.client_certificate_pem", "is missing: client_key_pem needs it")
    elif credential.client_certificate_pem and not credential.client_key_pem:
        problems.add(f"{path}.client_key_pem", "is missing: client_certificate_pem needs it")
    elif credential.client_certificate_pem:
        _check_pair(credential, path, now, problems)


def _check_pair(credential: Credential, path: str, now: datetime, problems: Problems) -> None:
    certificate = _read_certificate(credential.client_certificate_pem, f"{path}.client_certificate_pem", problems)
    if len(credential.client_key_pem) > _MAX_PEM_BYTES:
        problems.add(f"{path}.client_key_pem", f"has more than {_MAX_PEM_BYTES} bytes")
        return
    try:
        key = load_pem_private_key(credential.client_key_pem, password=None)
    except TypeError:
        problems.add(f"{path}.client_key_pem", "has a passphrase: send it without")
        return
    except (ValueError, UnsupportedAlgorithm):
        problems.add(f"{path}.client_key_pem", "is not a private key in PEM")
        return
    if certificate is None:
        return
    shape = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*shape) != certificate.public_key().public_bytes(*shape):
        problems.add(f"{path}.client_key_pem", "does not belong to client_certificate_pem")
    if certificate.not_valid_after_utc <= now:
        ended = certificate.not_valid_after_utc.isoformat()
        problems.add(f"{path}.client_certificate_pem", f"ended at {ended}: take a new certificate")


def _read_certificate(pem: bytes, path: str, problems: Problems) -> x509.Certificate | None:
    """The first certificate; all of them must be readable."""
    if len(pem) > _MAX_PEM_BYTES:
        problems.add(path, f"has {len(pem)} bytes; at most {_MAX_PEM_BYTES} are accepted")
        return None
    try:
        return x509.load_pem_x509_certificates(pem)[0]
    except (ValueError, IndexError):
        problems.add(path, "is not one or more certificates in PEM (-----BEGIN CERTIFICATE-----)")
        return None
