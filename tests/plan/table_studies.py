"""Tiny studies on a table and 4 x 4 x 4 images, planned for real."""

import gzip
import struct

from tlimb.api.load import load
from tlimb.api.planning import make_plan
from tlimb.project import Asked, project


def write_image(path, number):
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, 4, 4, 4, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 2, 8)
    struct.pack_into("<8f", header, 76, 1, 8, 8, 8, 1, 1, 1, 1)
    struct.pack_into("<f", header, 108, 352)
    struct.pack_into("<2h", header, 252, 0, 1)
    struct.pack_into("<12f", header, 280, 8, 0, 0, 0, 0, 8, 0, 0, 0, 0, 8, 0)
    header[344:348] = b"n+1\0"
    path.write_bytes(gzip.compress(bytes(header) + bytes((number * 7 + i) % 251 for i in range(64)), mtime=0))


def write_cohort(folder, columns):
    """Write `people.tsv` with these columns (name -> values) and one image a person."""
    (folder / "img").mkdir(parents=True, exist_ok=True)
    count = len(next(iter(columns.values())))
    lines = ["\t".join(["participant_id", *columns])]
    for index in range(count):
        write_image(folder / "img" / f"p{index:02d}.nii.gz", index)
        lines.append("\t".join([f"p{index:02d}", *(str(values[index]) for values in columns.values())]))
    (folder / "people.tsv").write_text("\n".join(lines) + "\n")


def study_of(folder, text):
    """Write and load a spec; give the loaded study and its project."""
    path = folder / "study.yaml"
    path.write_text(text)
    loaded = load(path)
    return loaded, project(loaded.sound(), path, Asked())


def planned(folder, text, **options):
    loaded, place = study_of(folder, text)
    return make_plan(loaded, place, **options), loaded, place
