"""Stages in the slot `teacher`: what they teach, what is refused, and that a killed run continues to the same bytes."""

import pytest
import torch
from node_manifests import AGE, SEX, Cohort, Crash, crash_at, fit_manifest
from safetensors.torch import load_file
from test_with_components import REAL, component, head

from tlimb.manifest import Manifest
from tlimb.protocol.options import Options
from tlimb.store import Store
from tlimb.training.execute import execute

TRAINER = {"epochs": 3, "batch_size": 2}


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return Cohort(tmp_path_factory.mktemp("teachers"), people=12, shape=(20, 21, 20))


def study(people, *places, heads=None, slot="teacher", **options):
    """Train a teacher in each place, and give the manifest of its student."""
    teacher = fit_manifest(
        people.view(range(6)), None, heads=heads or [head(SEX, "classification")], **{**REAL, "trainer": TRAINER}
    )
    for one in places:
        assert execute(teacher, one).code == 0
    return teacher, fit_manifest(
        people.view(range(6, 10)),
        people.view([10, 11]),
        heads=[head(SEX, "classification")],
        parents={slot: teacher.work},
        auxiliary=[component("auxiliary", "distill", **options)],
        **{**REAL, "trainer": TRAINER, "architecture": component("architecture", "resnet3d", depth=10, filters=2)},
    )


@pytest.mark.parametrize("match", ["outputs", "features"])
def test_p1_a_student_continues_to_the_same_bytes(people, match):
    whole, killed = people.places(f"{match}-whole"), people.places(f"{match}-killed")
    _, student = study(people, whole, killed, match=match)
    assert execute(student, whole).code == 0

    with pytest.raises(Crash):
        execute(student, killed, Options(checkpoint_every_steps=1, after_batch=crash_at(3)))
    assert execute(student, killed).facts["resumed_at"] == 3
    first, second = (Store(places.store).result(student.work) for places in (whole, killed))
    assert first.digest == second.digest
    assert first.losses.train["distill"] > 0
    assert first.transfer is None


def test_the_teachers_weight_decides_what_is_learned(people):
    places = people.places("weights")
    found = []
    for weight in (0.0, 5.0):
        _, student = study(people, places, weight=weight)
        assert execute(student, places).code == 0
        found.append(load_file(Store(places.store).path(student.work) / "encoder.safetensors"))
    assert any(not torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_a_teacher_of_other_classes_or_images_or_in_a_slot_that_nobody_reads_is_refused(people):
    places = people.places("refused")
    renamed = {**SEX, "facts": {**SEX["facts"], "classes": ["M", "F"]}}
    _, student = study(people, places, heads=[head(renamed, "classification")])
    outcome = execute(student, places)
    assert (outcome.code, "heads-differ" in outcome.reason) == (65, True)
    _, student = study(people, places, heads=[head(AGE, "regression")])
    outcome = execute(student, places)
    assert (outcome.code, "the teacher has no head of this stage, only age" in outcome.reason) == (64, True)
    _, student = study(people, places, slot="tutor")
    outcome = execute(student, places)
    assert (outcome.code, "nothing reads the slot tutor" in outcome.reason) == (64, True)
    _, student = study(people, places)
    smaller = component("data", "bio_image", spacing_mm=8, crop=[18, 18, 18], intensity="zscore")
    other = Manifest.of({**student.hashed, "data": smaller})
    outcome = execute(other, places)
    assert (outcome.code, "trained on images of shape [1, 20, 20, 20]" in outcome.reason) == (65, True)
