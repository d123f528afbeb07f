from pathlib import Path

import pytest

from fedsvc_client import AsyncClient, ConfigurationError, Server, load_config, parse_address

GOOD = """
current: default
servers:
  default: {address: "127.0.0.1:7443", token: "t", tls: false, ca_file: null, server_name: null}
  prod: {address: "fed.example.org", token: p, ca_file: ca.pem, server_name: fed}
"""


@pytest.mark.parametrize(
    ("text", "address", "tls"),
    [
        ("127.0.0.1", "127.0.0.1:7443", False),
        ("localhost:1", "localhost:1", False),
        ("fed.example.org", "fed.example.org:7443", True),
        ("http://fed.example.org:80", "fed.example.org:80", False),
        ("https://127.0.0.1:9", "127.0.0.1:9", True),
        ("[::1]:5", "[::1]:5", False),
        (" 10.0.0.1:5 ", "10.0.0.1:5", True),
    ],
)
def test_an_address_is_read(text: str, address: str, *, tls: bool) -> None:
    assert parse_address(text) == Server(address=address, tls=tls)


@pytest.mark.parametrize("text", ["", "ftp://a:1", "a:b:c", "a:99999", "http://a:1/path", "user@host:1", "two words"])
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match="host:port"):
        parse_address(text)


def test_a_configuration_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(GOOD)
    configuration = load_config(path)
    assert configuration.server() == Server(address="127.0.0.1:7443", token="t")
    prod = configuration.server("prod")
    assert (prod.address, prod.tls, prod.ca_file, prod.server_name) == (
        "fed.example.org:7443",
        True,
        tmp_path / "ca.pem",
        "fed",
    )


def test_the_token_is_not_shown() -> None:
    assert "hidden" not in repr(Server(address="a:1", token="hidden"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("servers: {a: {address: 1}}", r"servers\.a\.address"),
        ("servers: {a: {adress: x}}", r"servers\.a\.adress` is not known; did you mean `address`\?"),
        ("servers: {a: {address: x, tls: maybe}}", "tls` must be true or false"),
        ("- a", "must be a mapping"),
        ("servers: [", r"no valid YAML: line 1: expected the node content, but found '<stream end>'\Z"),
        ("", "there is no server in it; write for example: servers: "),
        ("servers: {}", "there is no server in it"),
        ("servr: {a: {address: x}}", r"`servr` is not known; did you mean `servers`\?"),
        ("current: b\nservers: {a: {address: x}}", "there is no server 'b'"),
        ("servers: {a: {address: x}, b: {address: y}}", "`current` is not set"),
        ("servers: {a: {address: x, token: [1]}}", "token` must be text"),
    ],
    ids=[
        "number",
        "unknown",
        "tls",
        "list",
        "yaml",
        "empty",
        "no-server",
        "unknown-top",
        "current",
        "no-current",
        "token",
    ],
)
def test_a_wrong_configuration_is_refused_with_the_field(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=told) as caught:
        load_config(path).server()
    assert str(path) in str(caught.value)


def test_a_missing_configuration_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load_config(tmp_path / "none.yaml")


@pytest.mark.parametrize("address", ["http://fed.example.org", "http://10.0.0.7:7443"])
async def test_a_token_never_travels_in_the_clear_to_another_machine(address: str) -> None:
    with pytest.raises(ConfigurationError, match="refused to send the token without TLS"):
        AsyncClient(address, token="t")


async def test_missing_authorities_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="authorities cannot be read"):
        AsyncClient(Server(address="a:1", tls=True, ca_file=tmp_path / "ca.pem"))


def test_the_path_may_be_text(tmp_path: Path) -> None:
    file = tmp_path / "fedctl.yaml"
    file.write_text("current: a\nservers: {a: {address: '127.0.0.1:7443', token: t}}\n")
    assert load_config(str(file)).server("").address == "127.0.0.1:7443"
