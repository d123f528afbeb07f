import pytest
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2
from google.rpc.status_pb2 import Status

from fedsvc import errors
from fedsvc.api.problems import MAX_PROBLEMS, Problems, proto_path
from fedsvc.api.status import DeadlineError, DrainingError, status_of
from fedsvc.v1.error_reason_pb2 import ErrorReason

PROBLEM = errors.Problem(path="unit.spec.placement", message="is odd")

CASES = [
    (errors.InvalidInputError(PROBLEM), "INVALID_ARGUMENT", "FIELD_INVALID", "BadRequest"),
    (errors.RequestIdReusedError("x"), "INVALID_ARGUMENT", "REQUEST_ID_REUSED", "BadRequest"),
    (errors.NotFoundError("clusters/x"), "NOT_FOUND", "NOT_FOUND", "ResourceInfo"),
    (errors.AlreadyExistsError("clusters/x"), "ALREADY_EXISTS", "ALREADY_EXISTS", "ResourceInfo"),
    (errors.EtagMismatchError("clusters/x", stored='"1"'), "ABORTED", "ETAG_MISMATCH", "ResourceInfo"),
    (
        errors.ObjectOwnedError(path="unit.spec.resources[0]", key="v1 ConfigMap a/b", unit="namespaces/a/units/u"),
        "FAILED_PRECONDITION",
        "OBJECT_OWNED",
        "PreconditionFailure",
    ),
    (
        errors.InUseError("placementPolicies/x", used_by=("namespaces/a/units/u",)),
        "FAILED_PRECONDITION",
        "IN_USE",
        "PreconditionFailure",
    ),
    (errors.DeletingError("clusters/x"), "FAILED_PRECONDITION", "DELETING", "PreconditionFailure"),
    (errors.NotDecidedError("namespaces/a/units/u"), "FAILED_PRECONDITION", "NOT_DECIDED", "PreconditionFailure"),
    (
        errors.NotReplayableError("decisions/d", "not kept"),
        "FAILED_PRECONDITION",
        "NOT_REPLAYABLE",
        "PreconditionFailure",
    ),
    (
        errors.DependencyCycleError(path="unit.spec.depends_on[0].unit", cycle="a/u, a/v, a/u"),
        "INVALID_ARGUMENT",
        "FIELD_INVALID",
        "BadRequest",
    ),
    (
        errors.NothingToConfirmError("works/1", "nothing waits"),
        "FAILED_PRECONDITION",
        "NOTHING_TO_CONFIRM",
        "PreconditionFailure",
    ),
    (
        errors.NotOnClustersError("namespaces/shop/units/web", clusters=("eu-1",)),
        "FAILED_PRECONDITION",
        "NOT_ON_CLUSTERS",
        "PreconditionFailure",
    ),
    (
        errors.DrillStateError("UnderWay", "another drill is not over"),
        "FAILED_PRECONDITION",
        "DRILL_STATE",
        "PreconditionFailure",
    ),
    (
        errors.RolloutStateError(phase="Paused", message="it is paused"),
        "FAILED_PRECONDITION",
        "ROLLOUT_STATE",
        "PreconditionFailure",
    ),
    (
        errors.NoEarlierRevisionError("namespaces/a/units/u"),
        "FAILED_PRECONDITION",
        "NO_EARLIER_REVISION",
        "PreconditionFailure",
    ),
    (
        errors.RemovalUnconfirmedError(
            "namespaces/a/units/u", objects=3, reason="OverBudget", why="more than may go", what=("3 on eu-1",)
        ),
        "FAILED_PRECONDITION",
        "REMOVAL_UNCONFIRMED",
        "PreconditionFailure",
    ),
    (
        errors.ProtectedError("namespaces/a/units/u", "all it has"),
        "FAILED_PRECONDITION",
        "PROTECTED",
        "PreconditionFailure",
    ),
    (
        errors.UnitManagedError("namespaces/a/units/imported-u", service="a/u"),
        "FAILED_PRECONDITION",
        "UNIT_MANAGED",
        "PreconditionFailure",
    ),
    (errors.LimitExceededError("max_unit_bytes", 1, "too large"), "RESOURCE_EXHAUSTED", "LIMIT_EXCEEDED", None),
    (errors.ResumeTokenExpiredError("too old"), "OUT_OF_RANGE", "RESUME_TOKEN_EXPIRED", None),
    (errors.WatchTooSlowError("too slow"), "RESOURCE_EXHAUSTED", "WATCH_TOO_SLOW", "RetryInfo"),
    (errors.UnauthenticatedError("no token"), "UNAUTHENTICATED", "UNAUTHENTICATED", None),
    (errors.StoreUnavailableError("away"), "UNAVAILABLE", "STORE_UNAVAILABLE", "RetryInfo"),
    (DrainingError(), "UNAVAILABLE", "DRAINING", "RetryInfo"),
    (DeadlineError(30), "DEADLINE_EXCEEDED", "LIMIT_EXCEEDED", None),
    (ValueError("secret words"), "INTERNAL", "INTERNAL", "RequestInfo"),
]


def details_of(status: Status) -> list[Message]:
    unpacked = []
    for packed in status.details:
        message = getattr(error_details_pb2, packed.TypeName().rpartition(".")[2])()
        assert packed.Unpack(message)
        unpacked.append(message)
    return unpacked


@pytest.mark.parametrize(
    ("error", "code", "reason", "detail"), [pytest.param(*case, id=type(case[0]).__name__) for case in CASES]
)
def test_every_error_has_its_code_its_reason_and_at_most_one_other_detail(
    error: Exception, code: str, reason: str, detail: str | None
) -> None:
    status = status_of(error, "request-1")

    info, *others = details_of(status)
    assert code_pb2.Code.Name(status.code) == code
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == (reason, "fedsvc")
    assert f"ERROR_REASON_{reason}" in ErrorReason.keys()  # noqa: SIM118 - an enum wrapper of protobuf is no mapping
    assert [other.DESCRIPTOR.name for other in others] == ([] if detail is None else [detail])


def test_every_domain_error_has_an_answer_of_its_own() -> None:
    answered = {type(case[0]) for case in CASES}
    # Raised at the start or in controllers only, where there is nobody to answer, or roots of others.
    unheard = {errors.SchemaError, errors.ConfigurationError, errors.ClusterGoneError}
    others = {errors.FedsvcError, errors.PreconditionError} | unheard

    known = {
        value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.FedsvcError)
    }

    assert known == {error for error in answered if error.__module__ == "fedsvc.errors"} | others


def test_a_defect_tells_its_request_id_and_nothing_else() -> None:
    status = status_of(ValueError("password=hunter2"), "request-1")

    assert "hunter2" not in str(status)
    assert "request-1" in status.message


def test_many_problems_fit_the_trailers_and_are_counted() -> None:
    problems = Problems()
    for index in range(5_000):
        problems.add(f"unit.spec.resources[{index}].json", "metadata.name: " + "must be something else, " * 10)

    status = status_of(problems.error(), "r")

    assert len(status.SerializeToString()) < 7_000
    bad = details_of(status)[1]
    assert isinstance(bad, error_details_pb2.BadRequest)
    assert 1 < len(bad.field_violations) <= MAX_PROBLEMS + 1
    assert "more problems are not listed" in bad.field_violations[-1].description


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("unit.spec.placement.clusterSelector", "unit.spec.placement.cluster_selector", id="camel case"),
        pytest.param("a.matchLabels[someKey].x", "a.match_labels[someKey].x", id="label key"),
        pytest.param('a.labels["x.io/aB"]', 'a.labels["x.io/aB"]', id="quoted key"),
        pytest.param("tolerations[0].tolerationSeconds", "tolerations[0].toleration_seconds", id="index"),
    ],
)
def test_paths_are_written_with_the_names_of_the_proto(path: str, expected: str) -> None:
    assert proto_path(path) == expected
