import click
from click.shell_completion import get_completion_class

_EXAMPLES = """\b
Examples:
  source <(fedctl completion bash)
  fedctl completion bash > ~/.local/share/bash-completion/completions/fedctl
  fedctl completion zsh > ~/.zfunc/_fedctl
  fedctl completion fish > ~/.config/fish/completions/fedctl.fish
"""


@click.command(epilog=_EXAMPLES)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print the completion script for a shell."""
    root = click.get_current_context().find_root().command
    script = get_completion_class(shell)
    assert script is not None, "click knows these three"
    click.echo(script(root, {}, "fedctl", "_FEDCTL_COMPLETE").source())
