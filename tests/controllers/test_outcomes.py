import pytest

from fedsvc.controllers import outcomes
from fedsvc.members.errors import (
    KindNotServedError,
    MemberError,
    MemberGarbageError,
    MemberSettingsError,
    MemberStatusError,
    MemberUnreachableError,
    StatusCause,
    UnreachableKind,
)


def status(code: int, message: str = "", *, reason: str = "", **more: object) -> MemberStatusError:
    error = MemberStatusError(code=code, reason=reason, message=message, object_name="x")
    for name, value in more.items():
        setattr(error, name, value)
    return error


FORBIDDEN = (
    'configmaps "x" is forbidden: User "u" cannot patch resource "configmaps" in API group "" in namespace "shop"'
)
UNKNOWN_FIELD = "failed to create typed patch object (shop/web; apps/v1): .spec.replica: field not declared in schema"
BUILT_IN = "/apis/apps/v1/namespaces/shop/deployments/web"
CUSTOM = "/apis/shop.example/v1/namespaces/shop/banners/web"
CONFLICT = StatusCause(reason="FieldManagerConflict", message='conflict with "kubectl"', field=".data.a")


@pytest.mark.parametrize(
    ("error", "state", "reason", "least", "most"),
    [
        pytest.param(status(403, FORBIDDEN), "Failed", "Forbidden", 200, 400, id="right-missing"),
        pytest.param(
            status(403, "exceeded quota: q, requested: pods=1"), "Failed", "QuotaExceeded", 40, 80, id="quota"
        ),
        pytest.param(status(403, "admission webhook said no"), "Failed", "Denied", 200, 400, id="admission"),
        pytest.param(
            status(403, "unable to create new content in namespace shop because it is being terminated"),
            "Retrying",
            "NamespaceTerminating",
            0.7,
            1.3,
            id="namespace-terminating",
        ),
        pytest.param(status(404, "x not found"), "Retrying", "Conflict", 0.7, 1.3, id="object-gone"),
        pytest.param(
            status(404, "page not found", object_name=""), "Retrying", "KindNotServed", 0.3, 0.7, id="path-not-served"
        ),
        pytest.param(
            KindNotServedError(group="g", version="v1", kind="K"), "Retrying", "KindNotServed", 0.3, 0.7, id="no-kind"
        ),
        pytest.param(status(409, "changed", reason="Conflict"), "Retrying", "Conflict", 0.7, 1.3, id="race"),
        pytest.param(status(409, "conflicts", causes=(CONFLICT,)), "Failed", "FieldConflict", 200, 400, id="fields"),
        pytest.param(status(410, "gone"), "Retrying", "Conflict", 0.7, 1.3, id="410"),
        pytest.param(status(413, "too large"), "Failed", "TooLarge", 200, 400, id="413"),
        pytest.param(status(422, "spec.selector: field is immutable"), "Failed", "ImmutableField", 200, 400, id="422i"),
        pytest.param(status(422, "spec.x: Required value"), "Failed", "Invalid", 200, 400, id="422"),
        pytest.param(status(400, "bad"), "Failed", "Invalid", 200, 400, id="400"),
        pytest.param(status(429, "slow down", retry_after_seconds=7.0), "Retrying", "TooManyRequests", 7, 9, id="429"),
        pytest.param(status(500, "oops"), "Retrying", "MemberError", 0.7, 1.3, id="500"),
        pytest.param(status(500, UNKNOWN_FIELD, path=BUILT_IN), "Failed", "Invalid", 200, 400, id="field-unknown"),
        pytest.param(status(500, UNKNOWN_FIELD, path=CUSTOM), "Retrying", "MemberError", 0.7, 1.3, id="crd-behind"),
        pytest.param(MemberGarbageError("no JSON"), "Retrying", "BadAnswer", 0.7, 1.3, id="garbage"),
        pytest.param(
            MemberUnreachableError(UnreachableKind.TIMEOUT, "late"), "Retrying", "NoAnswer", 0.7, 1.3, id="timeout"
        ),
    ],
)
def test_each_answer_has_its_state_reason_and_next_try(
    error: MemberError, state: str, reason: str, least: float, most: float
) -> None:
    outcome = outcomes.outcome_of(error, cluster="eu", key="work-1", attempts=0)
    assert (outcome.state, outcome.reason) == (state, reason)
    assert outcome.retry_after_seconds is not None
    assert least <= outcome.retry_after_seconds <= most


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemberUnreachableError(UnreachableKind.REFUSED, "refused"), "MemberUnreachable"),
        (MemberSettingsError("bad endpoint"), "ConnectionInvalid"),
        (status(401, "Unauthorized"), "CredentialsInvalid"),
    ],
)
def test_trouble_of_the_member_as_a_whole_pauses_it(error: MemberError, reason: str) -> None:
    pause = outcomes.pause_of(error)
    assert pause is not None
    assert pause.reason == reason


@pytest.mark.parametrize("error", [status(403, FORBIDDEN), status(500), status(429), MemberGarbageError("x")])
def test_trouble_of_one_request_pauses_nothing(error: MemberError) -> None:
    assert outcomes.pause_of(error) is None


def test_fields_in_conflict_are_named_with_their_managers() -> None:
    outcome = outcomes.outcome_of(status(409, "conflicts", causes=(CONFLICT,)), cluster="eu", key="k", attempts=0)
    assert '.data.a: conflict with "kubectl"' in outcome.message


def test_causes_that_the_message_leaves_out_are_added() -> None:
    cause = StatusCause(reason="FieldValueInvalid", message="must be positive", field="spec.x")
    outcome = outcomes.outcome_of(status(422, "invalid", causes=(cause,)), cluster="eu", key="k", attempts=0)
    assert outcome.message == "invalid (spec.x: must be positive)"


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("/api/v1/namespaces/shop/configmaps/x", "`fedctl join eu`"),
        ("/apis/example.com/v1/namespaces/shop/widgets/x", "`fedctl join eu --custom-group example.com`"),
        ("/apis/storage.k8s.io/v1/storageclasses/x", "`fedctl join eu`"),
    ],
)
def test_a_missing_right_names_the_command_line_that_grants_it(path: str, command: str) -> None:
    error = status(403, FORBIDDEN, method="PATCH", path=path)
    assert f"run {command} again" in outcomes.outcome_of(error, cluster="eu", key="k", attempts=0).message


def test_a_very_long_answer_is_cut() -> None:
    outcome = outcomes.outcome_of(status(422, "x" * 5_000), cluster="eu", key="k", attempts=0)
    assert len(outcome.message) == 1_000


@pytest.mark.parametrize(
    ("message", "namespace"),
    [
        ('namespaces "shop" not found', "shop"),
        ('configmaps "shop" not found', ""),
        ('serviceaccounts "namespaces "x"" not found', ""),
        ("namespaces", ""),
    ],
)
def test_a_missing_namespace_is_read_from_the_answer(message: str, namespace: str) -> None:
    assert outcomes.missing_namespace(status(404, message)) == namespace


def test_an_object_that_is_being_deleted_is_not_taken() -> None:
    assert outcomes.is_taken(status(409, "the object has been modified"))
    assert not outcomes.is_taken(status(409, "namespace shop is being terminated"))
