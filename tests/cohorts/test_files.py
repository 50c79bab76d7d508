"""Bytes: hashes, damaged and hostile files, the stat cache, views and leaks."""

import builtins
import gzip
import hashlib
import json
import os
import resource
import shutil
import struct
import zlib

import pytest
from attrs import evolve
from cohort_making import image, synthetic

from tlimb.cohorts import leaks, scan, view
from tlimb.cohorts.hashing import HashCache, annex_key
from tlimb.cohorts.headers import CAP_BYTES, ImageFaultError
from tlimb.cohorts.index import index
from tlimb.components.images import DataError, inflate


def test_p13_every_bit_flip_and_truncation_is_detected(tmp_path):
    path = tmp_path / "a.nii.gz"
    good = gzip.compress(image(5), mtime=0)
    path.write_bytes(good)
    wanted = scan.scan(path).sha256
    missed = []
    for position in range(0, len(good) * 8, 3):
        data = bytearray(good)
        data[position // 8] ^= 1 << position % 8
        path.write_bytes(data)
        try:
            if scan.scan(path).sha256 == wanted:
                missed.append(position)
        except ImageFaultError:
            pass
    assert missed == []
    for length in range(len(good)):
        path.write_bytes(good[:length])
        with pytest.raises(ImageFaultError):
            scan.scan(path)


def test_flips_in_the_samples_of_a_gzip_file_are_refused_by_its_crc(tmp_path):
    path = tmp_path / "a.nii.gz"
    engine = zlib.compressobj(0, zlib.DEFLATED, 31)  # stored: a flip never breaks the coding
    good = engine.compress(image(5)) + engine.flush()
    for position in range(400, len(good) - 8):
        data = bytearray(good)
        data[position] ^= 4
        path.write_bytes(data)
        with pytest.raises(ImageFaultError, match=r"damaged|header|samples"):
            scan.scan(path)


def test_recompression_changes_the_bytes_but_not_the_voxels(tmp_path):
    a, b, c = (tmp_path / name for name in ("a.nii.gz", "b.nii.gz", "c.nii"))
    a.write_bytes(gzip.compress(image(5), 9, mtime=0))
    b.write_bytes(gzip.compress(image(5)[:100], 1) + gzip.compress(image(5)[100:], 1))
    c.write_bytes(image(5))
    scans = [scan.scan(path) for path in (a, b, c)]
    assert len({found.sha256 for found in scans}) == 3
    assert len({found.voxels for found in scans}) == 1
    c.write_bytes(image(6))
    assert scan.scan(c).voxels != scans[0].voxels


def _header(**fields):
    data = bytearray(image(1))
    for place, (code, value) in fields.items():
        struct.pack_into(code, data, int(place[1:]), *value)
    return bytes(data)


HOSTILE = {
    "ten thousand cubed": _header(_40=("<8h", (3, 10000, 10000, 10000, 1, 1, 1, 1))),
    "seven axes of 32767": _header(_40=("<8h", (7, *[32767] * 7))),
    "negative axis": _header(_40=("<8h", (3, 2, -3, 4, 1, 1, 1, 1))),
    "zero axis": _header(_40=("<8h", (3, 2, 0, 4, 1, 1, 1, 1))),
    "no axes": _header(_40=("<8h", (0, 2, 3, 4, 1, 1, 1, 1))),
    "unknown type": _header(_70=("<h", (9999,))),
    "offset nan": _header(_108=("<f", (float("nan"),))),
    "offset far": _header(_108=("<f", (1e9,))),
    "spacing nan": _header(_80=("<f", (float("nan"),))),
    "spacing zero": _header(_80=("<f", (0.0,))),
    "affine nan": _header(_254=("<h", (1,)), _280=("<f", (float("nan"),))),
    "affine singular": _header(_254=("<h", (1,))),
    "web page": b"<html><body>503 Service Unavailable</body></html>" * 20,
    "empty": b"",
    "pair of files": _header(_344=("4s", (b"ni1\0",))),
    "too short": image(1)[:-1],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_p15_a_hostile_header_is_a_fault_in_words(tmp_path, name):
    for ending, data in ((".nii", HOSTILE[name]), (".nii.gz", gzip.compress(HOSTILE[name]))):
        path = tmp_path / f"patient-name{ending}"
        path.write_bytes(data)
        with pytest.raises(ImageFaultError) as caught:
            scan.scan(path)
        assert "patient" not in str(caught.value)


def test_p15_a_bomb_is_stopped_without_memory_or_time(tmp_path):
    path = tmp_path / "bomb.nii.gz"
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1 << 20)
    path.write_bytes(
        b"".join([engine.compress(image(1)), *(engine.compress(zeros) for _ in range(300)), engine.flush()])
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageFaultError, match="far more data"):
        scan.scan(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB
    assert CAP_BYTES == 1 << 30


def test_npy_and_png_headers_are_read_and_hostile_ones_refused(tmp_path):
    numpy = pytest.importorskip("numpy")
    path = tmp_path / "a.npy"
    numpy.save(path, numpy.arange(12, dtype=numpy.float32).reshape(3, 4))
    assert scan.scan(path).shape == (3, 4)
    numpy.save(path, numpy.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ImageFaultError, match="plain numbers"):
        scan.scan(path)
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000), }\n"
    path.write_bytes(b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head)
    with pytest.raises(ImageFaultError, match="MiB"):
        scan.scan(path)
    picture = tmp_path / "a.png"
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))  # noqa: E731
    lines = b"".join(b"\0" + bytes(range(5)) for _ in range(4))
    parts = [
        chunk(b"IHDR", struct.pack(">IIBBBBB", 5, 4, 8, 0, 0, 0, 0)),
        chunk(b"IDAT", zlib.compress(lines)),
        chunk(b"IEND", b""),
    ]
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    assert scan.scan(picture).shape == (4, 5)
    data = bytearray(picture.read_bytes())
    data[50] ^= 1
    picture.write_bytes(data)
    with pytest.raises(ImageFaultError):
        scan.scan(picture)


def test_a_nifti2_file_and_a_big_endian_one_agree_with_nibabel(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    numpy = pytest.importorskip("numpy")
    data = numpy.arange(60, dtype=">i2").reshape(3, 4, 5, 1)
    affine = numpy.diag([2.0, 2.5, 3.0, 1.0])
    one = nibabel.Nifti1Image(data, affine, nibabel.Nifti1Header(endianness=">"))
    for number, made in enumerate((one, nibabel.Nifti2Image(data.astype("<i2"), affine))):
        path = tmp_path / f"{number}.nii.gz"
        nibabel.save(made, path)
        found = scan.scan(path)
        assert (found.shape, found.spacing_mm) == ((3, 4, 5), (2.0, 2.5, 3.0))


def test_p14_all_bad_images_are_listed_in_one_go(bids, declare):
    base = bids(6)
    paths = [base / f"sub-{k:03d}/anat/sub-{k:03d}_T1w.nii.gz" for k in range(6)]
    paths[1].write_bytes(paths[1].read_bytes()[:-30])
    paths[4].write_bytes(b"<html>")
    paths[5].write_bytes(paths[5].read_bytes()[:-3])
    cohort, (found,) = index(declare(), HashCache())
    assert cohort is None
    assert found.message == "3 of the 6 images of `clinic` cannot be used"
    assert len(found.note) == 2
    assert any(note.startswith("rows 1, 5: it is truncated") for note in found.note)
    assert "sub-" not in str(found)
    _, (named,) = index(declare(), HashCache(), with_names=True)
    assert all(f"sub-{k:03d}_T1w.nii.gz" in str(named.note) for k in (1, 4, 5))


def test_p14_twenty_bad_images_are_all_named_where_names_may_be_shown(bids, declare):
    base = bids(20)
    for k in range(20):
        (base / f"sub-{k:03d}/anat/sub-{k:03d}_T1w.nii.gz").write_bytes(b"")
    _, (found,) = index(declare(), HashCache(), with_names=True)
    assert sum(f"sub-{k:03d}_T1w.nii.gz" in found.note[0] for k in range(20)) == 20


def _opened(monkeypatch):
    """Record every file that Python opens, whatever function opens it."""
    opened = []
    real_open, real_os = builtins.open, os.open
    monkeypatch.setattr(builtins, "open", lambda f, *a, **k: (opened.append(str(f)), real_open(f, *a, **k))[1])
    monkeypatch.setattr(os, "open", lambda f, *a, **k: (opened.append(str(f)), real_os(f, *a, **k))[1])
    return opened


def test_the_second_index_of_two_thousand_images_opens_none(bids, declare, monkeypatch, tmp_path):
    bids(2000)
    opened = _opened(monkeypatch)
    seen = []
    hashes = HashCache(tmp_path / "private")
    first, problems = index(declare(), hashes, lambda done, total: seen.append((done, total)))
    hashes.save()
    assert not problems
    assert (hashes.hits, hashes.fresh) == (0, 2000)
    assert seen[0] == (0, 2000)
    assert seen[-1] == (2000, 2000)
    assert sum(name.endswith(".nii.gz") for name in opened) == 2000
    opened.clear()
    hashes = HashCache(tmp_path / "private")
    second, _ = index(declare(), hashes)
    assert (hashes.hits, hashes.fresh) == (2000, 0)
    assert not [name for name in opened if name.endswith(".nii.gz")]
    assert second.rows == first.rows
    assert (tmp_path / "private" / "hashes.jsonl").stat().st_mode & 0o777 == 0o600


def test_changed_touched_and_forged_files(bids, declare, tmp_path):
    base = bids(3)
    private = tmp_path / "private"

    def again(full=False):
        hashes = HashCache(private, full=full)
        cohort, _ = index(declare(), hashes)
        hashes.save()
        return hashes.fresh, [row.sha256 for row in cohort.rows]

    _, first = again()
    path = base / "sub-001/anat/sub-001_T1w.nii.gz"
    os.utime(path)
    assert again() == (1, first)
    path.write_bytes(gzip.compress(image(777), mtime=0))
    hashed, second = again()
    assert hashed == 1
    assert [a == b for a, b in zip(first, second, strict=True)] == [True, False, True]
    assert again(full=True) == (3, second)
    kept = private / "hashes.jsonl"
    data = kept.read_bytes().replace(second[0][:8].encode(), b"00000000")
    kept.write_bytes(data)
    assert again() == (3, second)  # a damaged cache is no cache


def test_a_git_annex_key_is_what_the_bytes_must_be(bids, declare):
    base = bids(2)
    path = base / "sub-001/anat/sub-001_T1w.nii.gz"
    store = base / ".git/annex/objects"
    store.mkdir(parents=True)
    key = f"SHA256E-s99--{scan.scan(path).sha256}.nii.gz"
    shutil.move(path, store / key)
    path.symlink_to(os.path.relpath(store / key, path.parent))
    assert annex_key(path) == scan.scan(path).sha256
    assert index(declare(), HashCache())[0] is not None
    (store / key).write_bytes(gzip.compress(image(888)))
    cohort, (found,) = index(declare(), HashCache())
    assert cohort is None
    assert "git-annex" in found.note[0]
    (store / key).unlink()
    cohort, (found,) = index(declare(), HashCache())
    assert "`datalad get`" in found.note[0]


def annexed(base, keep):
    """Turn all images of a dataset into links to annexed content that lies in `keep`, as in a subdataset."""
    for path in sorted(base.rglob("*.nii.gz")):
        data = path.read_bytes()
        key = f"MD5E-s{len(data)}--{hashlib.md5(data).hexdigest()}.nii.gz"
        place = keep / "annex" / "objects" / key[-2:] / key[-4:-2] / key
        place.mkdir(parents=True)
        shutil.move(path, place / key)
        path.symlink_to(os.path.relpath(place / key, path.parent))


def test_annexed_content_may_lie_outside_the_root_and_nothing_else_may(bids, declare, tmp_path):
    base = bids(3, folder="super/ds")
    annexed(base, tmp_path / "super" / ".git" / "modules" / "ds")
    options = {"folder": ".", "suffix": "T1w"}
    declaration = evolve(declare(options=options), root=base)
    cohort, problems = index(declaration, HashCache())
    assert not problems
    assert len(cohort.rows) == 3
    elsewhere = tmp_path / "archive" / "sub-000"
    elsewhere.parent.mkdir()
    shutil.move(base / "sub-000", elsewhere)
    for link in elsewhere.rglob("*.nii.gz"):
        link.unlink()
        link.write_bytes(gzip.compress(image(3)))
    (base / "sub-000").symlink_to(elsewhere)
    cohort, (found,) = index(declaration, HashCache())
    assert cohort is None
    assert (found.code, found.message) == ("path-escape", "1 images of `clinic` are links that lead out of the root")
    assert "`--root archive=FOLDER`" in found.help[1]
    assert "sub-" not in str(found)
    _, (named,) = index(declaration, HashCache(), with_names=True)
    assert named.note == ("sub-000_T1w.nii.gz", f"they lead to {elsewhere}/anat")


def test_links_inside_the_root_and_a_linked_root_are_followed(bids, declare, tmp_path):
    base = bids(3, folder="store/ds")
    shutil.move(base / "sub-001", base.parent / "moved")
    (base / "sub-001").symlink_to("../moved")
    (tmp_path / "ds").symlink_to("store/ds")
    cohort, problems = index(declare(), HashCache())
    assert not problems
    assert len(cohort.rows) == 3
    outside = tmp_path / "inner"
    outside.mkdir()
    (outside / "ds").symlink_to("../store/ds")
    _, (found,) = index(evolve(declare(), root=outside), HashCache())
    assert (found.code, found.help[0].split(",")[0]) == ("path-escape", "links may lead anywhere inside the root")


def test_a_table_that_was_not_fetched_is_not_taken_for_none(bids, declare):
    base = bids(3, table=False)
    (base / "participants.tsv").symlink_to(".git/annex/objects/aa/bb/MD5E-s9--0/MD5E-s9--0")
    cohort, (found,) = index(declare(), HashCache())
    assert cohort is None
    assert "`datalad get`" in found.message


def test_a_view_holds_what_is_read_and_nothing_else_decides_its_digest(made, tmp_path):
    cohort = made(6)
    digest, content = view.view(cohort.rows[:4], ["sex"])
    assert set(content["rows"][0]) == {
        "row", "person", "root", "image", "sha256", "mask", "mask_sha256", "group", "labels",
    }  # fmt: skip
    from attrs import evolve

    moved = [
        evolve(row, image="elsewhere", root="x", number=9, labels={**row.labels, "age": 0}) for row in cohort.rows[:4]
    ]
    assert view.view(moved, ["sex"])[0] == digest
    assert view.view(cohort.rows[:4], ["sex", "age"])[0] != digest
    assert view.view(tuple(reversed(cohort.rows[:4])), ["sex"])[0] != digest
    assert view.view([evolve(cohort.rows[0], sha256="0" * 64), *cohort.rows[1:4]], ["sex"])[0] != digest
    view.write_views(tmp_path / "private", {digest: content})
    path = tmp_path / "private" / "views" / f"{digest}.json"
    assert view.read_view(tmp_path / "private", digest) == content
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    changed = json.loads(path.read_text())
    changed["rows"][0]["labels"]["sex"] = "X"
    path.write_text(json.dumps(changed))
    with pytest.raises(ValueError, match="plan again"):
        view.read_view(tmp_path / "private", digest)


def test_p22_nothing_that_is_hashed_or_shown_names_anybody(made):
    cohort = made(6)
    facts = view.facts(cohort.rows, "age", "number"), view.facts(cohort.rows, "sex", "class"), view.inputs(cohort.rows)
    assert "sub-" not in json.dumps(facts)
    assert facts[0]["mean"] == 22.5
    assert facts[0]["sd"] == pytest.approx(1.707825127659933, abs=0)
    assert facts[1] == {"label": "sex", "classes": ["F", "M"], "counts": [3, 3], "mean": None, "sd": None}
    hidden = view.hide(cohort.rows, "sex", ("F", "M"))
    assert view.facts(hidden, "sex", "class")["classes"] == ["0", "1"]


def test_classes_are_ordered_as_numbers_where_all_are_and_1_is_1():
    assert view.ordered([10, 9, 1.0, 1]) == ("1", "9", "10")
    assert view.ordered(["b", "a", 2]) == ("2", "a", "b")


def test_kinship_is_transitive_over_cohorts():
    # b of the clinic is the person y of the archive (equal image); y's sibling is z, who is tested.
    clinic = synthetic({"a": {"family": None}, "b": {"family": None}}, "clinic", {"b": "image-1"})
    archive = synthetic(
        {"y": {"family": "f"}, "z": {"family": "f"}, "w": {"family": None}}, "archive", {"y": "image-1"}
    )
    kin = leaks.Kinship([clinic, archive])
    seen = clinic.rows
    z = [row for row in archive.rows if row.participant == "z"]
    y = [row for row in archive.rows if row.participant == "y"]
    w = [row for row in archive.rows if row.participant == "w"]
    assert kin.overlap(seen, z) == leaks.Overlap(1, 0, 0, 1, 1)
    assert kin.overlap(seen, y) == leaks.Overlap(1, 0, 1, 0, 1)
    assert not kin.overlap(seen, w)
    assert kin.overlap(seen, seen) == leaks.Overlap(2, 2, 0, 0, 2)
    assert not leaks.Kinship([clinic, synthetic({"a": {}}, "other")]).overlap(seen, synthetic({"a": {}}, "other").rows)
    assert leaks.comparable(clinic, archive) == "by content only"
    assert leaks.comparable(clinic, clinic) == "by id"


@pytest.mark.parametrize("size", [348, 540])
@pytest.mark.parametrize("order", ["little", "big"])
def test_a_plain_file_with_the_name_of_a_compressed_one_is_told_as_such(tmp_path, size, order):
    content = size.to_bytes(4, order) + bytes(400)
    (tmp_path / "a.nii.gz").write_bytes(content)
    with pytest.raises(ImageFaultError, match=r"not compressed: rename it to end with \.nii"):
        scan.scan(tmp_path / "a.nii.gz")
    with pytest.raises(DataError, match=r"not compressed: rename it to end with \.nii"):
        inflate(content)
