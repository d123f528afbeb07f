"""Opening a channel to a server, with credentials that never travel in the clear beyond this machine."""

from grpc import aio, ssl_channel_credentials

from fedsvc_client._config import Server
from fedsvc_client._errors import ConfigurationError

# A unit may have 16 MiB of manifests; base64 and the rest of the message need some room above it.
_MAX_MESSAGE_BYTES = 64 * 1024 * 1024


def open_channel(server: Server) -> aio.Channel:
    """Open a channel; it connects when it is first used.

    Raises:
        ConfigurationError: A token would be sent in the clear to another machine, or `ca_file` cannot be read.
    """
    check(server)
    options: list[tuple[str, str | int]] = [
        ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2000),
    ]
    if server.is_loopback:  # a proxy of the environment is not for this machine's own addresses
        options.append(("grpc.enable_http_proxy", 0))
    if not server.tls:
        return aio.insecure_channel(server.address, options=options)
    if server.server_name:
        options.append(("grpc.ssl_target_name_override", server.server_name))
    roots = None
    if server.ca_file is not None:
        try:
            roots = server.ca_file.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"{server.ca_file}: the authorities cannot be read: {error.strerror}") from error
    return aio.secure_channel(server.address, ssl_channel_credentials(root_certificates=roots), options=options)


def check(server: Server) -> None:
    """Refuse to send a token where somebody else could read it on the way.

    Raises:
        ConfigurationError: That would happen.
    """
    if server.token and not server.tls and not server.is_loopback:
        raise ConfigurationError(
            f"{server.address}: refused to send the token without TLS to another machine: "
            "use https://HOST:PORT or `tls: true` (and `ca_file` for an authority of your own)"
        )
