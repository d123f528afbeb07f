"""Settings, TLS, tokens and the database of a `fedsvc`, as operators give them, and its version."""

import datetime as dt
import ipaddress
import signal
import socket
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from grpc import aio

from fedsvc.simulator.certificates import issue_serving, make_authority
from fedsvc_client import AsyncClient

pytestmark = [pytest.mark.slow, pytest.mark.postgres]


async def test_it_serves_over_tls(folder: Path, serving: Any, info: Any) -> None:
    certificate, key = make_certificate(folder)
    async with serving(folder, "--listen", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key) as server:
        assert server.config["tls"] is True
        roots = Path(server.config["ca_file"]).read_bytes()
        async with aio.secure_channel(server.address, grpc.ssl_channel_credentials(roots)) as channel:
            assert (await info(channel, server.metadata)).caller == "admin"


async def test_fedctl_yaml_works_as_it_is_with_a_certificate_for_another_name(folder: Path, serving: Any) -> None:
    pair = issue_serving(make_authority("test"), hosts=("fedsvc.example",))
    certificate, key = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(pair.certificate_pem)
    key.write_bytes(pair.key_pem)
    flags = ("--listen", "0.0.0.0:0", "--tls-cert", certificate, "--tls-key", key)
    async with serving(folder, *flags), AsyncClient.from_config(folder / "data" / "fedctl.yaml") as client:
        assert (await client.server.info()).caller == "admin"


def make_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fedsvc")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "tls.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "tls.crt", folder / "tls.key"


async def test_settings_come_from_flags_then_environment_then_file(folder: Path, serving: Any) -> None:
    taken = [free_port() for _ in range(3)]
    file = folder / "fedsvc.yaml"
    file.write_text(f"listen: 127.0.0.1:{taken[0]}\nlog-level: error\ncontrollers: false\n")
    cases = [
        ([], {}, taken[0]),
        ([], {"FEDSVC_LISTEN": f"127.0.0.1:{taken[1]}"}, taken[1]),
        (["--listen", f"127.0.0.1:{taken[2]}"], {"FEDSVC_LISTEN": f"127.0.0.1:{taken[1]}"}, taken[2]),
    ]
    for arguments, environment, port in cases:
        async with serving(folder, *arguments, **environment, FEDSVC_CONFIG=str(file)) as server:
            assert server.address == f"127.0.0.1:{port}"
            server.process.signal(signal.SIGTERM)
            ended = await server.process.ended()
        assert '"level": "info"' not in ended.stderr


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_tokens_are_made_listed_and_revoked_while_it_serves(
    folder: Path, serving: Any, run: Any, info: Any
) -> None:
    async with serving(folder) as server:
        place = ("--data-dir", server.data)
        made = await run("token", "create", "ci", "--days", "3", *place)
        token = made.stdout.strip()
        async with aio.insecure_channel(server.address) as channel:
            assert (await info(channel, [("authorization", f"Bearer {token}")])).caller == "ci"
        listed = await run("token", "list", *place)
        twice = await run("token", "create", "ci", *place)
        revoked = await run("token", "revoke", "ci", *place)
        missing = await run("token", "revoke", "ci", *place)

    assert token.startswith("fedsvc_")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["NAME", "admin", "ci"]
    assert (twice.code, twice.stderr) == (1, "fedsvc: token ci exists already\n")
    assert revoked.code == 0
    assert (missing.code, missing.stderr) == (1, "fedsvc: token ci does not exist\n")


async def test_a_lost_configuration_is_replaced_by_a_new_token_without_a_server(
    folder: Path, serving: Any, run: Any
) -> None:
    async with serving(folder):
        pass
    made = await run("token", "create", "again", "--data-dir", folder / "data")

    assert made.code == 0, made.stderr
    assert made.stdout.startswith("fedsvc_")


async def test_another_database_is_used_where_one_is_given(
    folder: Path, database_url: str, serving: Any, run: Any, info: Any
) -> None:
    migrated = await run("migrate", "--database-url", database_url, "--data-dir", folder / "data")
    async with (
        serving(folder, "--database-url", database_url) as server,
        aio.insecure_channel(server.address) as channel,
    ):
        assert (await info(channel, server.metadata)).caller == "admin"

    assert migrated.code == 0, migrated.stderr
    assert "already" in migrated.stdout
    assert not (server.data / "postgres").exists()


@pytest.mark.parametrize("word", ["version", "--version"])
async def test_the_version_is_told(run: Any, word: str) -> None:
    ended = await run(word)

    assert (ended.code, ended.stdout.split()[0]) == (0, "fedsvc")
