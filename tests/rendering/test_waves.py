from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.rendering.errors import ManifestError
from fedsvc.rendering.identity import validate_manifest
from fedsvc.rendering.kinds import wave_of
from fedsvc.rendering.waves import (
    MAX_WRITTEN_WAVE,
    STEPS,
    AwaitedState,
    awaited_states,
    place_of,
    wave_problems,
    written_of,
    written_wave,
)

OURS = "fedsvc.io/wave"
ARGO = "argocd.argoproj.io/sync-wave"
JOB = ("batch", "Job")
DEPLOYMENT = ("apps", "Deployment")
CLAIM = ("", "PersistentVolumeClaim")

written = st.integers(-MAX_WRITTEN_WAVE, MAX_WRITTEN_WAVE)
kinds = st.sampled_from([JOB, DEPLOYMENT, CLAIM, ("", "Namespace"), ("example.com", "Thing")])


def annotated(**annotations: Any) -> dict[str, Any]:
    names = {"ours": OURS, "argo": ARGO}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "x", "annotations": {names.get(key, key): value for key, value in annotations.items()}},
    }


@pytest.mark.parametrize(
    ("manifest", "wave"),
    [
        pytest.param({"metadata": {"name": "x"}}, 0, id="none"),
        pytest.param(annotated(ours="-5"), -5, id="ours"),
        pytest.param(annotated(ours="+5"), 5, id="a plus sign"),
        pytest.param(annotated(argo="3"), 3, id="Argo CD's"),
        pytest.param(annotated(ours="1", argo="3"), 1, id="ours goes first"),
        pytest.param(annotated(ours="1000"), 1000, id="the last"),
    ],
)
def test_a_wave_is_read_from_the_annotations(manifest: dict[str, Any], wave: int) -> None:
    assert written_wave(manifest) == wave


@pytest.mark.parametrize("text", ["", "soon", "1.5", "1001", "-1001", " 1", "1_0", "١", "9" * 5000, 1, None])  # noqa: RUF001 - digits of another script
@pytest.mark.parametrize("name", ["ours", "argo"])
def test_what_is_no_wave_is_refused_with_its_path(name: str, text: Any) -> None:
    manifest = annotated(**{name: text})
    if text is None:
        assert written_wave(manifest) == 0
        return
    with pytest.raises(ManifestError, match="a whole number from -1000 to 1000") as caught:
        written_wave(manifest)
    assert caught.value.path == f'metadata.annotations["{OURS if name == "ours" else ARGO}"]'
    if isinstance(text, str):
        [problem] = [problem for problem in validate_manifest(manifest) if not problem.warning]
        assert problem.path == caught.value.path


@pytest.mark.parametrize(
    "annotation",
    ["argocd.argoproj.io/hook", "helm.sh/hook", "kapp.k14s.io/change-rule", "config.kubernetes.io/depends-on"],
)
def test_order_that_is_not_understood_is_told(annotation: str) -> None:
    [problem] = wave_problems(annotated(**{annotation: "PreSync"}))
    assert problem.warning
    assert "is not understood" in problem.message


def test_a_misspelt_annotation_of_ours_is_told() -> None:
    [problem] = wave_problems(annotated(**{"fedsvc.io/waves": "1"}))
    assert (problem.path, problem.warning) == ('metadata.annotations["fedsvc.io/waves"]', True)


@given(written, kinds, written, kinds)
def test_the_written_wave_orders_first_and_the_kind_second(
    one: int, kind: tuple[str, str], other: int, other_kind: tuple[str, str]
) -> None:
    place, other_place = place_of(annotated(ours=str(one)), *kind), place_of(annotated(ours=str(other)), *other_kind)
    assert (place < other_place) == ((one, wave_of(*kind)) < (other, wave_of(*other_kind)))
    assert written_of(place) == one
    assert -(2**15) <= place < 2**15  # a smallint


@given(st.lists(st.tuples(written, kinds), max_size=8), st.sampled_from(AwaitedState))
def test_all_but_the_last_written_wave_is_awaited(objects: list[tuple[int, Any]], state: AwaitedState) -> None:
    places = {index: (wave * STEPS + wave_of(*kind), kind) for index, (wave, kind) in enumerate(objects)}
    last = max((wave for wave, _ in objects), default=0)

    awaited = awaited_states(places, state)

    assert set(awaited) == {index for index, (wave, _) in enumerate(objects) if wave < last}
    for index, found in awaited.items():
        assert found == (AwaitedState.APPLIED if objects[index][1] == CLAIM else state)
