"""Asking the members through the server: which are asked, and telling who did not answer."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click

from fedctl import kinds
from fedctl.completing import names
from fedctl.context import Context
from fedctl.failures import Exit, UsageFailure
from fedctl.options import Seconds
from fedctl.output import words
from fedsvc.v1 import member_pb2

F = TypeVar("F", bound=Callable[..., Any])

_LONGEST_SECONDS = 25.0


def cluster_options(function: F) -> F:
    """--cluster, --all-clusters and --member-timeout."""
    for option in (
        click.option(
            "--member-timeout",
            "member_seconds",
            type=Seconds(),
            default="5s",
            show_default=True,
            help="How long each cluster may take to answer, 25s at most",
        ),
        click.option("--all-clusters", is_flag=True, help="Ask every cluster, not only those that hold anything of it"),
        click.option(
            "--cluster",
            "clusters",
            multiple=True,
            shell_complete=names(kinds.CLUSTER),
            help="Only of this cluster; may be said several times",
        ),
    ):
        function = option(function)
    return function


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which clusters are asked, and how long each may take."""

    clusters: Sequence[str] = ()
    all_clusters: bool = False
    member_seconds: float = 5.0

    def checked(self) -> "Asked":
        """Return it as the client takes it.

        Raises:
            UsageFailure: It contradicts itself, or asks for too long a time.
        """
        if self.clusters and self.all_clusters:
            raise UsageFailure("--cluster names some clusters and --all-clusters asks all of them: give one of the two")
        if not 0 < self.member_seconds <= _LONGEST_SECONDS:
            raise UsageFailure(f"--member-timeout must be more than 0 and at most {_LONGEST_SECONDS:g}s")
        return self

    def keywords(self) -> dict[str, Any]:
        """Return what the methods of the client take."""
        return {
            "clusters": [name.removeprefix("clusters/") for name in self.clusters],
            "all_clusters": self.all_clusters,
            "member_seconds": self.member_seconds,
        }


@dataclass(slots=True, kw_only=True)
class Answers:
    """Who answered, for what is told at the end and the exit code."""

    answered: int = 0
    silent: list[member_pb2.MemberAnswer] = field(default_factory=list)
    truncated: list[str] = field(default_factory=list)

    def take(self, answer: member_pb2.MemberAnswer) -> None:
        """Note an answer."""
        if answer.answered:
            self.answered += 1
        else:
            self.silent.append(answer)
        if answer.truncated:
            self.truncated.append(answer.cluster)

    def tell_if_none_was_asked(self, context: Context) -> None:
        """Say on stderr that the unit is nowhere, where it is."""
        if not self.answered and not self.silent:
            context.note("No cluster holds anything of it; --all-clusters asks every cluster.")

    def tell(self, context: Context) -> None:
        """Say on stderr who did not answer, and of whom not all is shown."""
        for answer in sorted(self.silent, key=lambda item: item.cluster):
            tell_silent(context, answer)
        if self.truncated:
            context.warn(f"there is more than is shown of: {', '.join(sorted(self.truncated))}")
        if self.silent:
            asked = self.answered + len(self.silent)
            context.note(f"{len(self.silent)} of {words.count(asked, 'cluster')} did not answer")

    @property
    def exit_code(self) -> Exit:
        """How the command ends."""
        return Exit.INCOMPLETE if self.silent else Exit.DONE


def tell_silent(context: Context, answer: member_pb2.MemberAnswer) -> None:
    """Say on stderr that a cluster did not answer, and why."""
    context.warn(f"no answer from {answer.cluster} ({answer.reason}): {words.one_line(answer.message)}")


def log_name(log: member_pb2.MemberLog) -> str:
    """Write whose log it is: eu-1/web-7c9f-x2x4p, with the container where the pod has several."""
    parts: Iterable[str] = (log.cluster, log.pod) if log.only_container else (log.cluster, log.pod, log.container)
    return "/".join(parts)
