"""A click group that imports a command's module only when the command is used: `--help` stays fast."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, slots=True, kw_only=True)
class LazyCommand:
    """Where a command lives, and what the list of commands says of it."""

    target: str  # "module:attribute"
    help: str  # one line


class LazyGroup(click.Group):
    """A group whose commands are known by name and summary, and imported on use."""

    def __init__(
        self,
        *,
        lazy: Mapping[str, LazyCommand],
        prepare: Callable[[click.Command], None],
        on_error: Callable[[Exception], click.ClickException | None],
        interrupted: int,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self._lazy = lazy
        self._prepare = prepare
        self._on_error = on_error
        self._interrupted = interrupted  # exit code after Ctrl-C
        self._loaded: dict[str, click.Command] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order in which they are documented."""
        del ctx
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, or None where there is none of that name."""
        del ctx
        if cmd_name not in self._lazy:
            return None
        if cmd_name not in self._loaded:
            module, _, attribute = self._lazy[cmd_name].target.partition(":")
            command = getattr(importlib.import_module(module), attribute)
            assert isinstance(command, click.Command)
            self._prepare(command)
            self._loaded[cmd_name] = command
        return self._loaded[cmd_name]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; say which is meant where the name is mistyped."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib  # noqa: PLC0415 - only needed for a mistake

            near = difflib.get_close_matches(args[0], self._lazy, n=2, cutoff=0.5)
            if near:
                text = f"There is no command {args[0]!r}. Did you mean {' or '.join(near)}?"
                raise click.UsageError(text, ctx) from error
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self._lazy.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete command names without importing them."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only needed by the shell

        names = [
            CompletionItem(name, help=entry.help) for name, entry in self._lazy.items() if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what it raises leaves as a message with an exit code where `on_error` knows it."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            click.echo(err=True)  # the end of the line on which the terminal shows ^C
            raise click.exceptions.Exit(self._interrupted) from None
        except Exception as error:
            failure = self._on_error(error)
            if failure is None:
                raise
            raise failure from error
