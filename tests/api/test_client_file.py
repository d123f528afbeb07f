import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from fedsvc import clientfile
from fedsvc.config import Address, TlsFiles
from fedsvc.simulator.certificates import issue_serving, make_authority

HERE = Address(host="127.0.0.1", port=7443)
AUTHORITY = make_authority("test")


def tls_files(folder: Path, *hosts: str) -> TlsFiles:
    pair = issue_serving(AUTHORITY, hosts=hosts)
    files = TlsFiles(certificate=folder / "tls.crt", key=folder / "tls.key")
    files.certificate.write_bytes(pair.certificate_pem)
    files.key.write_bytes(pair.key_pem)
    return files


def read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((folder / "fedctl.yaml").read_text())
    return content


def test_it_is_written_for_its_owner_only(tmp_path: Path) -> None:
    clientfile.write(tmp_path, HERE, None, "fedsvc_x")

    path = tmp_path / "fedctl.yaml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read(tmp_path) == {
        "current": "default",
        "servers": {
            "default": {
                "address": "127.0.0.1:7443",
                "token": "fedsvc_x",
                "tls": False,
                "ca_file": None,
                "server_name": None,
            }
        },
    }


def test_a_new_port_is_written_and_the_token_stays(tmp_path: Path) -> None:
    clientfile.write(tmp_path, HERE, None, "fedsvc_x")
    clientfile.write(tmp_path, Address(host="::1", port=1), None, None)

    assert read(tmp_path)["servers"]["default"]["address"] == "[::1]:1"
    assert read(tmp_path)["servers"]["default"]["token"] == "fedsvc_x"


def test_with_tls_the_certificate_is_trusted(tmp_path: Path) -> None:
    files = tls_files(tmp_path, "127.0.0.1")
    clientfile.write(tmp_path, Address(host="0.0.0.0", port=7443), files, "t")  # noqa: S104 - what is written is loopback

    server = read(tmp_path)["servers"]["default"]
    assert (server["address"], server["tls"], server["ca_file"]) == ("127.0.0.1:7443", True, str(files.certificate))


@pytest.mark.parametrize(
    ("hosts", "name"),
    [
        (("fed.example.com", "127.0.0.1"), None),
        (("fed.example.com", "fed.example.org"), "fed.example.com"),
        (("*.example.com",), "fedsvc.example.com"),
        (("192.0.2.1",), "192.0.2.1"),
    ],
    ids=["for the address too", "for names", "for any name of a domain", "for another address"],
)
def test_a_certificate_for_other_names_is_verified_by_one_of_them(
    tmp_path: Path, hosts: tuple[str, ...], name: str | None
) -> None:
    clientfile.write(tmp_path, HERE, tls_files(tmp_path, *hosts), "t")

    assert read(tmp_path)["servers"]["default"]["server_name"] == name


def test_the_name_follows_the_certificate(tmp_path: Path) -> None:
    names = []
    for hosts in (("a.example",), ("b.example", "a.example"), ("c.example",), ("c.example", "127.0.0.1")):
        clientfile.write(tmp_path, HERE, tls_files(tmp_path, *hosts), "t")
        names.append(read(tmp_path)["servers"]["default"]["server_name"])

    assert names == ["a.example", "a.example", "c.example", "c.example"]


def test_what_people_added_stays(tmp_path: Path) -> None:
    path = tmp_path / "fedctl.yaml"
    path.write_text("current: other\nservers: {other: {address: 'x:1'}, default: {token: t, server_name: n}}\n")

    clientfile.write(tmp_path, HERE, None, None)

    content = read(tmp_path)
    assert content["current"] == "other"
    assert content["servers"]["other"] == {"address": "x:1"}
    assert content["servers"]["default"]["server_name"] == "n"


def test_nothing_is_written_where_nothing_changes(tmp_path: Path) -> None:
    clientfile.write(tmp_path, HERE, None, "t")
    before = (tmp_path / "fedctl.yaml").stat().st_mtime_ns

    clientfile.write(tmp_path, HERE, None, None)

    assert (tmp_path / "fedctl.yaml").stat().st_mtime_ns == before


@pytest.mark.parametrize("content", [pytest.param(None, id="missing"), pytest.param("[", id="broken")])
def test_without_a_token_there_is_nothing_to_write(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "fedctl.yaml"
    if content is not None:
        path.write_text(content)

    clientfile.write(tmp_path, HERE, None, None)

    assert (path.read_text() if path.exists() else None) == content
