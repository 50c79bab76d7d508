"""Image files made recognisable, changed whole, and damaged."""

import os
import shutil

import nibabel as nib
from studies import CANARY


def mark_people(folder):
    """Rename every participant of a phantom, and write into the headers what must never be copied from there."""
    shutil.rmtree(folder / "derivatives", ignore_errors=True)
    (folder / "phantom.json").unlink()
    table = folder / "participants.tsv"
    table.write_text(table.read_text().replace("sub-", f"sub-{CANARY}").replace("fam-", f"{CANARY}fam"))
    for path in sorted(folder.glob("sub-*/anat/*.nii.gz")):
        image = nib.load(path)
        image = nib.Nifti1Image(image.dataobj.get_unscaled(), image.affine, image.header)
        image.header["descrip"] = image.header["db_name"] = image.header["intent_name"] = CANARY.encode()
        target = folder / path.relative_to(folder).as_posix().replace("sub-", f"sub-{CANARY}")
        target.parent.mkdir(parents=True, exist_ok=True)
        nib.save(image, target)
        path.unlink()
    for path in sorted(folder.glob("sub-0*")):
        shutil.rmtree(path)


def other_voxel(path):
    """Change one voxel of an image, leaving a whole file."""
    image = nib.load(path)
    data = image.dataobj.get_unscaled().copy()
    data[tuple(n // 2 for n in data.shape)] += 1
    nib.save(nib.Nifti1Image(data, image.affine, image.header), path)


def flip(path, at=None):
    """Flip one bit of a file, by default in its middle; size and modification time stay."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if at is None else at] ^= 0x10
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert path.stat().st_mtime_ns == before.st_mtime_ns
