"""Pure: what a switchover is going to do, step by step, for people."""

from collections.abc import Iterator

from fedsvc.model.roles import Evidence, RolePolicy, Switchover


def steps_of(policy: RolePolicy, state: Switchover, target: str, *, is_lost: bool, accepts_loss: bool) -> Iterator[str]:
    """The steps by which the primary gets to a cluster.

    Args:
        policy: of the unit.
        state: where its primary is.
        target: where it is to be.
        is_lost: whether the cluster where it is cannot be reached.
        accepts_loss: whether somebody does without proof.
    """
    source = state.primary
    if accepts_loss:
        demoted = "when it is back" if is_lost else "first, if that takes no longer than 30 s"
        yield f"{source} is made a replica of {target} {demoted}; what it did not copy is lost"
    elif is_lost:
        yield from _steps_of_loss(policy, source, target)
    else:
        if policy.demote is not None:
            yield f"{policy.demote} runs on {source}"
        yield f"{source} is made a replica of {target}"
        yield f"it is proved that {source} takes no more writes: {_proof_words(policy.proof)}"
        yield f"else, after {policy.timeout_seconds} s, {source} is primary again"
    yield f"{target} becomes primary"
    if policy.promote is not None:
        yield f"{policy.promote} runs on {target}"
    if policy.dataset:
        yield f"dataset {policy.dataset} is written on {target}"


def _steps_of_loss(policy: RolePolicy, source: str, target: str) -> Iterator[str]:
    loss = policy.on_loss
    if loss.fence is not None:
        yield f"{source} is lost: {loss.fence} runs on {target} to cut it off"
    if loss.proof is not None:
        yield f"{source} is lost: on {target} this is awaited: {_proof_words(loss.proof)}"
    if loss.fence is None and loss.proof is None:
        yield f"{source} is lost, and nothing can prove that it takes no more writes: it waits until {source} is back"


def _proof_words(proof: Evidence | None) -> str:
    if proof is None:
        return "all of it is healthy as a replica"
    if proof.equals is not None:
        return f"{proof.path} of {proof} is {proof.equals}"
    if proof.at_most is not None:
        return f"{proof.path} of {proof} is {proof.at_most:g} at most"
    return f"{proof.path} of {proof} is there"
