from pathlib import Path

import pytest

from fedsvc.accounts import load_accounts
from fedsvc.errors import ConfigurationError

FILE = """
manager: {max_workers: 2}
providers:
  aws:
    class: octodns_route53.Route53Provider
    access_key_id: env/AWS_ACCESS_KEY_ID
    max_changes: 100
zones: {example.com.: {targets: [aws]}}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "accounts.yaml"
    path.write_text(text)
    return path


def test_accounts_are_the_providers_of_a_file_of_octodns(tmp_path: Path) -> None:
    (account,) = load_accounts(written(tmp_path, FILE)).values()

    assert (account.name, account.class_path) == ("aws", "octodns_route53.Route53Provider")
    assert account.settings == {"access_key_id": "env/AWS_ACCESS_KEY_ID", "max_changes": 100}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "must hold 'providers'"),
        ("providers: [a]", "must hold 'providers'"),
        ("providers: {}\nsecret_handlers: {}", "'secret_handlers' means nothing here"),
        ("providers: {a: 1}", r"providers\.a must be settings by name"),
        ("providers: {a: {}}", r"providers\.a\.class must be a class such as"),
        ("providers: {a: {class: 'os; rm'}}", r"providers\.a\.class must be a class such as"),
        ("providers: {a: {class: x.Y, since: 2026-01-01}}", r"providers\.a: "),
        ("providers: {a: {class: x.Y, list: !!set {1}}}", r"providers\.a: "),
        ("a: [", "not YAML"),
    ],
)
def test_a_file_that_is_none_is_refused_with_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigurationError, match=f"--octodns-config .*accounts.yaml: .*{message}"):
        load_accounts(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_accounts(tmp_path / "none")
