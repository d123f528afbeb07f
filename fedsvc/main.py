"""The command line of the service: ``fedsvc serve``, and what an operator needs beside it.

Settings come from flags, the environment, a YAML file (``--config``) and the defaults, in this order.
Exit codes: 0 stopped as asked, 1 failed, 2 the settings or the command line are wrong.
"""

import asyncio
import functools
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from fedsvc import config
from fedsvc.accounts import load_accounts
from fedsvc.detection import DEFAULT_DETECT_SECONDS, LEAST_DETECT_SECONDS, MOST_DETECT_SECONDS
from fedsvc.errors import ConfigurationError, FedsvcError
from fedsvc.version import fedsvc_version

ResultT = TypeVar("ResultT")

_FAILED: Final = 1
_USAGE: Final = 2
_OWN: Final = ("fedsvc", "fedsvc_placement")  # in every install: where one of these is missing, that is a defect


def main() -> None:
    """Run the command line; never returns."""
    try:
        code = cli.main(prog_name="fedsvc", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(_FAILED)
    except ConfigurationError as error:
        click.echo(f"fedsvc: {error}", err=True)
        sys.exit(_USAGE)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] in _OWN:
            raise
        click.echo(
            f"fedsvc: a part of the server is not installed ({error.name}): pip install 'fedsvc[server]'", err=True
        )
        sys.exit(_FAILED)
    except (FedsvcError, OSError) as error:
        click.echo(f"fedsvc: {error}", err=True)
        sys.exit(_FAILED)
    sys.exit(code or 0)


def _read_config(context: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    del parameter
    if path is not None:
        # All commands can share one file, so it may hold every setting of `serve`.
        known = {str(option.name) for option in serve.params if option.name != "config_file"}
        context.default_map = config.load_config_file(path, known)


def _option(flag: str, **attributes: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    name = flag.removeprefix("--").partition("/")[0].replace("-", "_")
    return click.option(flag, envvar=f"FEDSVC_{name.upper()}", show_envvar=True, **attributes)


def _store_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that every command has which touches the store; the command gets them as `store`."""

    @functools.wraps(command)
    def with_store(
        *,
        data_dir: Path | None,
        database_url: str | None,
        key_file: Path | None,
        log_level: str,
        log_format: str | None,
        **others: Any,
    ) -> None:
        from fedsvc.log import configure_logging  # noqa: PLC0415 - not there in a base install, and main says so

        configure_logging(log_level, log_format)
        folder = (data_dir or config.default_data_dir()).expanduser().absolute()
        command(
            store=config.StoreSettings(data_dir=folder, database_url=database_url or None, key_file=key_file), **others
        )

    for option in (
        _option(
            "--log-format", type=click.Choice(config.LOG_FORMATS), help="[default: console at a terminal, else json]"
        ),
        _option("--log-level", type=click.Choice(config.LOG_LEVELS), default="info", show_default=True),
        _option("--key-file", type=click.Path(path_type=Path), help="Keys that seal secrets [default: in --data-dir]."),
        _option(
            "--database-url", help="PostgreSQL to use, as postgresql://user:password@host/name; without: embedded."
        ),
        _option(
            "--data-dir",
            type=click.Path(path_type=Path),
            help="Folder of the embedded database, keys and fedctl.yaml [default: ~/.local/share/fedsvc].",
        ),
        click.option(
            "--config",
            "config_file",
            expose_value=False,
            type=click.Path(path_type=Path),
            envvar="FEDSVC_CONFIG",
            show_envvar=True,
            is_eager=True,
            callback=_read_config,
            help="YAML file with these settings, named like the flags.",
        ),
    ):
        option(with_store)
    return with_store


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(fedsvc_version(), message="%(prog)s %(version)s")
def cli() -> None:
    """A federated multi-cluster control service for Kubernetes."""


@cli.command()
@_store_options
@_option("--listen", default=config.DEFAULT_LISTEN, show_default=True, help="Address of the gRPC API; port 0: any.")
@_option("--tls-cert", type=click.Path(path_type=Path), help="Certificate chain, PEM; needed off loopback.")
@_option("--tls-key", type=click.Path(path_type=Path), help="Its private key, PEM.")
@_option("--metrics-listen", help="Address for /metrics, /livez and /readyz over HTTP; without: none.")
@_option("--dns-listen", help="IP address and port of the name server for all zones, UDP and TCP; without: none.")
@_option(
    "--transfer-listen",
    help="IP address and port that secondaries transfer zones from, UDP and TCP, signed; without: none.",
)
@_option(
    "--transfer-tls-port",
    type=click.IntRange(0, 65535),
    help="Port of --transfer-listen for transfers by TLS, usually 853; needs --tls-cert; without: none.",
)
@_option(
    "--octodns-config",
    type=click.Path(path_type=Path),
    help="octoDNS file whose providers zones may name, with env/NAME for what is secret; without: none.",
)
@_option("--ready-file", type=click.Path(path_type=Path), help="Written (JSON) once calls are answered.")
@_option("--controllers/--no-controllers", default=True, show_default=True, help="Whether this replica may lead.")
@_option("--drain-seconds", type=click.FloatRange(min=0), default=10.0, show_default=True)
@_option("--bookmark-seconds", type=click.FloatRange(min=0.05), default=15.0, show_default=True)
@_option(
    "--revisions-kept",
    type=click.IntRange(min=2),
    default=20,
    show_default=True,
    help="Of each unit, for history and rollback.",
)
@_option(
    "--audit-days",
    type=click.IntRange(min=1, max=36_500),
    default=365,
    show_default=True,
    help="How long the audit of automation is kept.",
)
@_option(
    "--witness", help="host:port that answers while this server is not cut off; two members need one to fail over."
)
@_option(
    "--detect-seconds",
    type=click.FloatRange(min=LEAST_DETECT_SECONDS, max=MOST_DETECT_SECONDS),
    default=DEFAULT_DETECT_SECONDS,
    show_default=True,
    help="Within this a lost member is found to be so; the shorter, the less time members have to answer.",
)
def serve(
    *,
    store: config.StoreSettings,
    listen: str,
    tls_cert: Path | None,
    tls_key: Path | None,
    metrics_listen: str | None,
    dns_listen: str | None,
    transfer_listen: str | None,
    transfer_tls_port: int | None,
    octodns_config: Path | None,
    ready_file: Path | None,
    controllers: bool,
    drain_seconds: float,
    bookmark_seconds: float,
    revisions_kept: int,
    audit_days: int,
    witness: str | None,
    detect_seconds: float,
) -> None:
    """Serve the API and run the controllers until SIGTERM or SIGINT."""
    settings = config.ServerSettings(
        store=store,
        listen=config.parse_address(listen, "--listen"),
        tls=config.tls_files(tls_cert, tls_key),
        metrics_listen=config.parse_address(metrics_listen, "--metrics-listen") if metrics_listen else None,
        dns_listen=config.parse_dns_address(dns_listen) if dns_listen else None,
        transfer_listen=config.parse_dns_address(transfer_listen, "--transfer-listen") if transfer_listen else None,
        transfer_tls_port=transfer_tls_port,
        octodns_accounts=load_accounts(octodns_config) if octodns_config else {},
        ready_file=ready_file,
        controllers=controllers,
        drain_seconds=drain_seconds,
        bookmark_seconds=bookmark_seconds,
        revisions_kept=revisions_kept,
        audit_days=audit_days,
        witness=config.parse_address(witness, "--witness") if witness else None,
        detect_seconds=detect_seconds,
    )
    config.check_tls(settings.tls, settings.listen, settings.metrics_listen)
    config.check_transfers(settings)
    from fedsvc import server  # noqa: PLC0415 - a second of imports that wrong settings need not wait for

    _run(server.serve(settings))


@cli.command()
@_store_options
def migrate(*, store: config.StoreSettings) -> None:
    """Bring the database's schema to this release, and stop."""
    from fedsvc import administration  # noqa: PLC0415 - as in serve

    click.echo(_run(administration.migrate(store)))


@cli.group()
def token() -> None:
    """Manage the bearer tokens that callers show."""


@token.command("create")
@_store_options
@click.argument("name")
@click.option("--days", type=click.IntRange(min=1), help="How long it works [default: for ever].")
def token_create(*, store: config.StoreSettings, name: str, days: int | None) -> None:
    """Make a token and print it; it is shown this once."""
    from fedsvc import administration  # noqa: PLC0415 - as in serve

    expires = None if days is None else datetime.now(UTC) + timedelta(days=days)
    click.echo(_run(administration.create_token(store, name, expires)))


@token.command("list")
@_store_options
def token_list(*, store: config.StoreSettings) -> None:
    """Print the names of all tokens, when they were made and when they end."""
    from fedsvc import administration  # noqa: PLC0415 - as in serve

    for line in _run(administration.list_tokens(store)):
        click.echo(line)


@token.command("revoke")
@_store_options
@click.argument("name")
def token_revoke(*, store: config.StoreSettings, name: str) -> None:
    """End a token; servers forget it within seconds."""
    from fedsvc import administration  # noqa: PLC0415 - as in serve

    _run(administration.revoke_token(store, name))
    click.echo(f"token {name} is revoked")


@cli.command()
def version() -> None:
    """Print the version."""
    click.echo(f"fedsvc {fedsvc_version()}")


def _run(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    try:
        from uvloop import new_event_loop  # noqa: PLC0415 - not there on every platform
    except ImportError:
        pass
    else:
        loop_factory = new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(work)
