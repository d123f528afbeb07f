"""What every command has at hand: which server to talk to, the client for it, and the terminal.

The answer to "which server" comes from, in this order: `--server` or FEDCTL_SERVER (an address, or the name of an entry
of the configuration file), `--config` or FEDCTL_CONFIG, and ~/.config/fedctl/config.yaml.
"""

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fedctl.failures import Exit, Failure

if TYPE_CHECKING:  # both cost a good part of `--help`'s time budget and are imported when used
    from rich.console import Console

    from fedsvc_client import Client, Server

NO_SERVER = """\
No fedsvc server is configured. There are three ways to name one:
  1. a configuration file:  fedctl --config D/fedctl.yaml ...   (`fedsvc serve --data-dir D` writes it)
  2. an address:            fedctl --server HOST:PORT --token TOKEN ...   (or FEDCTL_SERVER and FEDCTL_TOKEN)
  3. for good:              cp D/fedctl.yaml {default}
To try fedsvc without any cluster at hand: fedctl demo"""


@dataclasses.dataclass(slots=True, kw_only=True)
class Settings:
    """The global options, wherever on the command line they stood."""

    server: str = ""
    token: str = ""
    config: Path | None = None
    config_is_ambient: bool = False  # the environment names it, for many commands, not this command line
    ca_file: Path | None = None


class Context:
    """What a command gets by `@pass_context`."""

    def __init__(self) -> None:
        self.settings = Settings()
        self._client: Client | None = None
        self._exits = contextlib.ExitStack()

    def server(self) -> "Server":
        """Return the server to talk to.

        Raises:
            Failure: None is configured; the message says the three ways to name one.
            ConfigurationError: The configuration is wrong.
        """
        found = self._find_server()
        changes: dict[str, object] = {}
        if self.settings.token:
            changes["token"] = self.settings.token.strip()
        if self.settings.ca_file is not None:
            changes["ca_file"] = self.settings.ca_file
            changes["tls"] = True
        return dataclasses.replace(found, **changes)  # type: ignore[arg-type] # the values follow the names above

    def client(self) -> "Client":
        """Return the client of the chosen server; it is closed when the command ends."""
        if self._client is None:
            from fedsvc_client import Client  # noqa: PLC0415 - grpc is imported when used

            self._client = self._exits.enter_context(Client(self.server()))
        return self._client

    def console(self) -> "Console":
        """Return the terminal (or file) that output goes to."""
        from fedctl.output.console import stdout  # noqa: PLC0415 - rich is imported when used

        return stdout()

    @contextlib.contextmanager
    def progress(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show on stderr that something takes its time, where stderr is a terminal.

        What is yielded tells more of it: there in the place of what was told before, elsewhere in a line each.
        """
        if not sys.stderr.isatty():
            yield lambda more: self.note(f"{text}: {more}")
            return
        from rich.markup import escape  # noqa: PLC0415 - as above

        from fedctl.output.console import stderr  # noqa: PLC0415 - rich is imported when used

        with stderr().status(escape(text)) as shown:
            yield lambda more: shown.update(escape(f"{text}: {more}"))

    def note(self, text: str) -> None:
        """Tell the user something beside the output."""
        click.echo(text, err=True)

    def warn(self, text: str) -> None:
        """Tell the user that something is odd but not wrong."""
        click.echo(click.style("warning: ", fg="yellow") + text, err=True)

    def close(self) -> None:
        """Give back what was opened."""
        self._client = None
        self._exits.close()

    def _find_server(self) -> "Server":
        from fedsvc_client import default_config_path, load_config, parse_address  # noqa: PLC0415 - when used

        path, wanted = self.settings.config or default_config_path(), self.settings.server
        # An address needs no file, and a variable may name one that is gone; a name stands in the file or nowhere.
        is_needed = self.settings.config is not None and not (self.settings.config_is_ambient and is_address(wanted))
        configuration = load_config(path) if is_needed or path.is_file() else None
        if configuration is None:
            if not wanted:
                raise Failure(NO_SERVER.format(default=default_config_path()), code=Exit.UNREACHABLE)
            return parse_address(wanted)
        if not wanted or wanted in configuration.servers:
            return configuration.server(wanted)
        parsed = parse_address(wanted)
        # The token of an address that the configuration knows is right for it, and for no other.
        same = next((entry for entry in configuration.servers.values() if entry.address == parsed.address), parsed)
        return dataclasses.replace(same, tls=parsed.tls) if "://" in wanted else same


def is_address(server: str) -> bool:
    """Tell whether a server is given by its address; a word alone is the name of one in the configuration."""
    return any(mark in server for mark in ".:") or server == "localhost"


pass_context = click.make_pass_decorator(Context, ensure=True)
