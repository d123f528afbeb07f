import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from fedsvc.config import Address, TlsFiles, check_tls, default_data_dir, load_config_file, parse_address, tls_files
from fedsvc.errors import ConfigurationError

LOOPBACK = Address(host="127.0.0.1", port=7443)
PUBLIC = Address(host="0.0.0.0", port=7443)  # noqa: S104 - the case that is refused
KNOWN = ("data_dir", "listen", "log_level")


def pair(folder: Path, *, begins: int = -1, ends: int = 1) -> TlsFiles:
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now + dt.timedelta(days=begins))
        .not_valid_after(now + dt.timedelta(days=ends))
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    files = TlsFiles(certificate=folder / "tls.crt", key=folder / "tls.key")
    files.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


@pytest.mark.parametrize(
    ("text", "expected", "shown", "loopback"),
    [
        pytest.param("127.0.0.1:7443", LOOPBACK, "127.0.0.1:7443", True, id="IPv4"),
        pytest.param("[::1]:80", Address(host="::1", port=80), "[::1]:80", True, id="IPv6"),
        pytest.param("localhost:0", Address(host="localhost", port=0), "localhost:0", True, id="localhost"),
        pytest.param(":7443", Address(host="::", port=7443), "[::]:7443", False, id="every interface"),
        pytest.param("fedsvc.example:1", Address(host="fedsvc.example", port=1), "fedsvc.example:1", False, id="name"),
    ],
)
def test_addresses_are_read(text: str, expected: Address, shown: str, loopback: bool) -> None:  # noqa: FBT001 - a table's column
    address = parse_address(text, "--listen")

    assert address == expected
    assert (str(address), address.loopback) == (shown, loopback)


@pytest.mark.parametrize(
    "text", ["7443", "localhost", "::1:80", "a:b", "a:-1", "a:65536", "http://a:80", "[a]b:1", "a:+1"]
)
def test_what_is_no_address_is_refused_by_its_setting(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^--listen: .* is not host:port"):
        parse_address(text, "--listen")


@pytest.mark.parametrize(
    ("listen", "metrics", "setting"),
    [
        pytest.param(PUBLIC, None, "--listen", id="API"),
        pytest.param(LOOPBACK, PUBLIC, "--metrics-listen", id="metrics"),
    ],
)
def test_off_loopback_tls_is_needed(listen: Address, metrics: Address | None, setting: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{setting} 0.0.0.0:7443 .* needs TLS: give --tls-cert"):
        check_tls(None, listen, metrics)


def test_on_loopback_it_is_not() -> None:
    check_tls(None, LOOPBACK, Address(host="::1", port=1))


def test_a_valid_pair_is_accepted(tmp_path: Path) -> None:
    check_tls(pair(tmp_path), PUBLIC, None)


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    assert tls_files(None, None) is None
    with pytest.raises(ConfigurationError, match=r"^--tls-cert needs --tls-key"):
        tls_files(tmp_path, None)
    with pytest.raises(ConfigurationError, match=r"^--tls-key needs --tls-cert"):
        tls_files(None, tmp_path)


def test_certificates_that_cannot_be_used_are_refused_with_the_reason(tmp_path: Path) -> None:
    good, other = pair(tmp_path / "a"), pair(tmp_path / "b")
    old, early = pair(tmp_path / "c", begins=-9, ends=-1), pair(tmp_path / "d", begins=1, ends=2)
    broken = tmp_path / "broken"
    broken.write_text("x")
    cases = {
        "does not belong to": TlsFiles(certificate=good.certificate, key=other.key),
        "ended at": old,
        "begins at": early,
        "must be PEM files": TlsFiles(certificate=broken, key=good.key),
        "--tls-cert .* cannot be read": TlsFiles(certificate=tmp_path / "none", key=good.key),
        "--tls-key .* cannot be read": TlsFiles(certificate=good.certificate, key=tmp_path / "none"),
    }
    for text, files in cases.items():
        with pytest.raises(ConfigurationError, match=text):
            check_tls(files, LOOPBACK, None)


def test_settings_are_read_from_a_file_with_dashes_or_underscores(tmp_path: Path) -> None:
    file = tmp_path / "fedsvc.yaml"
    file.write_text("data-dir: /srv\nlog_level: debug\n")

    assert load_config_file(file, KNOWN) == {"data_dir": "/srv", "log_level": "debug"}
    file.write_text("")
    assert load_config_file(file, KNOWN) == {}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param("listn: x", "'listn' is not a setting; did you mean 'listen'?", id="typing error"),
        pytest.param("colour: x", r"'colour' is not a setting \(settings: data-dir, listen, log-level\)", id="unknown"),
        pytest.param("listen: [1]", "'listen' must be one value, not list", id="list"),
        pytest.param("data-dir: a\ndata_dir: b", "is given twice", id="twice"),
        pytest.param("- a", "must hold settings such as", id="no mapping"),
        pytest.param("a: [", "not YAML", id="broken"),
        pytest.param("\udcff", "cannot be read: not UTF-8", id="not text"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name(tmp_path: Path, content: str, text: str) -> None:
    file = tmp_path / "fedsvc.yaml"
    file.write_bytes(content.encode(errors="surrogateescape"))

    with pytest.raises(ConfigurationError, match=rf"^--config {file}: .*{text}"):
        load_config_file(file, KNOWN)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load_config_file(tmp_path / "none", KNOWN)


def test_the_data_folder_follows_the_xdg_base_directories() -> None:
    assert default_data_dir({"XDG_DATA_HOME": "/x"}) == Path("/x/fedsvc")
    assert default_data_dir({"XDG_DATA_HOME": "relative"}) == Path.home() / ".local/share/fedsvc"
    assert default_data_dir({}) == Path.home() / ".local/share/fedsvc"
