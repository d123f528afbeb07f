"""Jobs: their parallelism is divided as replicas are, and their completions go where the parallelism went."""

from collections.abc import Sequence

from fedsvc_placement.divide import Parties, divide


def parallelism(replicas: int, completions: int | None) -> int:
    """Return how many pods of a Job can run at once: never more than there are completions left to reach.

    Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/#controlling-parallelism
    """
    return replicas if completions is None else min(replicas, completions)


def divide_completions(completions: int, parts: Sequence[int], orders: Sequence[tuple[int, str]]) -> tuple[int, ...]:
    """Return the completions that go with each part of the parallelism, in proportion by Webster's method.

    Their sum is `completions` unless all parts are 0; who has parallelism has at least as many completions, as long
    as the parts sum to no more than `completions`, who has none has none, and one completion more takes none away.

    Args:
        completions: of the whole Job.
        parts: parallelism of each.
        orders: break ties, as in `Parties`.
    """
    return divide(
        completions,
        Parties(weights=parts, mins=[1 if part else 0 for part in parts], maxs=[None] * len(parts), orders=orders),
    )
