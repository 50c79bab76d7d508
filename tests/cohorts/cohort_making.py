"""Images as bytes and cohorts in memory, for the tests of this folder."""

import struct
from pathlib import Path

from tlimb.cohorts.rows import Cohort, LabelFacts, Row
from tlimb.cohorts.view import ordered


def nifti(values: bytes, shape=(2, 3, 4), spacing=(1.0, 2.0, 2.5), datatype=4, bits=16) -> bytes:
    header = bytearray(348)
    struct.pack_into("<i", header, 0, 348)
    dims = [len(shape), *shape, *[1] * (7 - len(shape))]
    struct.pack_into("<8h", header, 40, *dims)
    struct.pack_into("<hh", header, 70, datatype, bits)
    struct.pack_into("<8f", header, 76, 1.0, *spacing, 1, 1, 1, 1)
    struct.pack_into("<3f", header, 108, 352.0, 1.0, 0.0)
    struct.pack_into("<h", header, 252, 1)
    header[123] = 2
    header[344:348] = b"n+1\0"
    return bytes(header) + b"\0\0\0\0" + values


def image(number: int, **more) -> bytes:
    return nifti(struct.pack("<24h", number, *((number * 31 + k * 7) % 1000 for k in range(23))), **more)


def synthetic(people: dict[str, dict], name="clinic", contents: dict[str, str] | None = None) -> Cohort:
    """Make a cohort in memory: participant -> labels."""
    rows = []
    for number, (person, labels) in enumerate(sorted(people.items())):
        content = (contents or {}).get(person, f"{name}/{person}")
        rows.append(
            Row(number, person, None, {}, "data", f"{name}/{person}.nii.gz", content, content, None, None,
                (2, 3, 4), (1.0, 1.0, 1.0), labels, name, "")
        )  # fmt: skip
    facts = {}
    for label in {label for labels in people.values() for label in labels}:
        values = [labels.get(label) for labels in people.values()]
        present = [v for v in values if v is not None]
        kind = "number" if all(isinstance(v, int | float) for v in present) else "class"
        facts[label] = LabelFacts(kind, ordered(present), len(values) - len(present), label)
    return Cohort(
        name, f"/datasets/{name}", name, tuple(rows), tuple(facts), facts, frozenset(), "data", Path("/nowhere")
    )
