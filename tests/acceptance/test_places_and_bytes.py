"""What moving, touching and changing files makes new."""

import os
import shutil

from images import flip, other_voxel
from studies import tlimb


def part_of(project, plan, stage, part):
    """Give the rows of a part that all runs of a stage read."""
    views = [plan.nodes[work]["hashed"]["views"]["data"][part] for work in sorted(plan.of("fit", stage))]
    first, *others = [project.rows(view) for view in views]
    return [row for row in first if all(row["image"] in {one["image"] for one in other} for other in others)]


def rows_of_test(project, plan):
    return project.rows(plan.nodes[sorted(plan.of("predict"))[0]]["hashed"]["views"]["rows"])


def test_p8_a_moved_project_computes_nothing_again(finished, tmp_path):
    before = finished.objects()
    shutil.move(finished.folder, tmp_path / "elsewhere")
    finished.folder = tmp_path / "elsewhere"
    finished.path = finished.folder / "study.yaml"
    odd = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C"}
    assert finished.run(env=odd).stdout.startswith("0 nodes computed, 25 done before")
    assert finished.objects() == before


def test_p8_moved_data_compute_nothing_again_however_their_root_is_said(finished, tmp_path):
    before = finished.plan().works
    data = tmp_path / "other disk"
    shutil.move(finished.folder / "data", data)
    assert "brains" in finished.tlimb("plan", code=1).stderr
    assert finished.run("--root", f"cohort={data}").stdout.startswith("0 nodes computed, 25 done before")
    assert finished.run(env={"TLIMB_ROOT_COHORT": str(data)}).stdout.startswith("0 nodes computed, 25 done")
    (finished.folder / ".tlimb").mkdir()
    (finished.folder / ".tlimb" / "roots.yaml").write_text(f"cohort: {data}\n")
    assert finished.plan().works == before


def test_p13_a_bit_flipped_after_planning_ends_its_readers_65_and_nobody_else(fresh):
    plan = fresh.plan()
    rows = part_of(fresh, plan, "pretrain", "train")[3:5]
    flip(fresh.image(rows[0]))
    flip(fresh.image(rows[1]), at=4)  # a time in the compression's header: no checksum covers it
    manifests = sorted(str(path) for path in plan.folder.glob("manifests/*/*.json"))
    done = tlimb(fresh.folder, "run", "-j", "2", "--root", "cohort=data", *manifests, code=65)
    said = done.stdout + done.stderr
    failed = [line for line in done.stdout.splitlines() if line.startswith("failed: ")]
    assert failed
    numbers = ", ".join(str(row["row"]) for row in rows)
    assert all(f"rows {numbers}: the image's bytes are not those" in line for line in failed)
    assert not any(row["image"] in said for row in rows)
    assert "CANARY" not in said
    finished = set(fresh.objects())
    readers = plan.descendants(plan.of("fit", "pretrain"))
    prepared = plan.of("prepare")
    assert not finished & readers
    assert len(finished & prepared) == 1
    assert finished >= plan.of("fit", "scratch")
    assert plan.kinds(finished) == {"prepare": 1, "fit": 4, "select": 1, "predict": 2}
    assert finished <= plan.works  # nothing was replanned
    assert not list(fresh.store.glob("state/*/*"))
    again = tlimb(fresh.folder, "run", "-j", "2", "--root", "cohort=data", *manifests, code=65)
    assert again.stdout.startswith("0 nodes computed")
    named = tlimb(fresh.folder, "run", "--with-names", "--root", "cohort=data", *manifests, code=65).stdout
    assert named.count(": the image's bytes") == len(failed) + 2  # for each reader, then by name
    assert all(f"  {row['image']}: the image's bytes are not those" in named for row in rows)
    assert "2 images cannot be used" in said
    print(f"flipped rows {[row['row'] for row in rows]}: {len(finished)} of {len(plan.works)} finished; {failed[0]}")


def test_a_byte_of_a_test_image_makes_tests_new_and_no_training(finished):
    old = finished.plan()
    other_voxel(finished.image(rows_of_test(finished, old)[0]))
    plan = finished.plan()
    new = plan.works - old.works
    print(f"one byte of a test image: new {plan.kinds(new)} of {plan.kinds()}")
    assert new >= plan.of("predict")
    assert not new & plan.of("fit")
    assert not new & plan.of("select")
    before = set(finished.objects())
    finished.run()
    made = plan.kinds(set(finished.objects()) - before)
    assert made == {"prepare": 1, "predict": 6}


def test_touched_images_make_nothing_new(finished):
    old = finished.plan()
    for path in (finished.folder / "data").rglob("*.nii.gz"):
        os.utime(path)
    assert finished.plan().works == old.works
    assert finished.run().stdout.startswith("0 nodes computed")


def test_an_edited_column_that_nobody_reads_makes_nothing_new(finished):
    old = finished.plan()
    table = finished.folder / "data" / "brains" / "participants.tsv"
    text = table.read_text()
    assert "patient" in text
    table.write_text(text.replace("patient", "recovered"))
    assert finished.plan().works == old.works
    table.write_text(text.replace("\tM\t", "\tX\t", 1))
    assert finished.plan().works != old.works


def test_one_more_subject_moves_few_of_the_others(finished, tmp_path):
    """The split of 72 people stays as it is but for a few, and the tests of unmoved parts stay done."""
    old = finished.plan()
    tlimb(tmp_path, "phantom", "more", "-n", "73", "--families", "0.3")
    target = finished.folder / "data" / "brains"
    table = target / "participants.tsv"
    last = (tmp_path / "more" / "participants.tsv").read_text().splitlines()[-1]
    table.write_text(table.read_text() + last.replace("sub-", "sub-CANARY").replace("fam-", "CANARYfam") + "\n")
    (source,) = (tmp_path / "more").glob("sub-0073/anat/*.nii.gz")
    (target / "sub-CANARY0073" / "anat").mkdir(parents=True)
    shutil.copy(source, target / "sub-CANARY0073" / "anat" / source.name.replace("sub-", "sub-CANARY"))
    plan = finished.plan()

    def parts(of):
        found = {}
        for node in of.nodes.values():
            if node["hashed"]["kind"] == "fit":
                for part, view in node["hashed"]["views"]["data"].items():
                    found |= {row["image"]: part for row in finished.rows(view)}
        found |= {row["image"]: "test" for row in rows_of_test(finished, of)}
        return found

    before, after = parts(old), parts(plan)
    moved = {image for image in before.keys() & after.keys() if before[image] != after[image]}
    new = plan.works - old.works
    print(f"one more subject: {len(moved)} of {len(before)} others moved part; new {plan.kinds(new)}")
    assert len(moved) <= 4
    assert len(before) > 50
    assert new
