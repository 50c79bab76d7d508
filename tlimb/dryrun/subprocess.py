"""The check in a process of its own: this one never loads torch, and no user code runs in it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from attrs import asdict

from tlimb.dryrun.findings import Elsewhere, Facts, Flaw, Images, Memory, Report
from tlimb.dryrun.similar import Group
from tlimb.manifest import Manifest, canonical
from tlimb.problems import Problem, Severity, TlimbError
from tlimb.protocol.options import Places

Progress = Callable[[int, int], None]
LAST_WORDS = 3
"""Lines that are shown of what a process said before it died."""


def check(groups: Sequence[Group], places: Places, progress: Progress = lambda done, total: None) -> Report:
    """Do what `tlimb.dryrun.check.check` does, elsewhere.

    Raises:
        TlimbError: the process died.
    """
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tlimb.dryrun.worker", str(writing)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=(writing,),
            env={**os.environ, "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        os.close(writing)
        report = None
        try:
            with os.fdopen(reading, encoding="utf-8") as answers:
                assert process.stdin is not None
                # A process that is dead already is told by its silence.
                with suppress(BrokenPipeError), process.stdin as stdin:
                    stdin.write(canonical(request(groups, places)).encode())
                for line in answers:
                    found = json.loads(line)
                    if "report" in found:
                        report = read_report(found["report"], groups)
                    else:
                        progress(found["done"], found["all"])
        finally:
            process.kill()
            process.wait()
        if report is None:
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()[-LAST_WORDS:]
            message = f"the process that builds networks ended with status {process.returncode} and no answer"
            raise TlimbError(Problem("not-checked", message, severity=Severity.WARNING, note=said))
    return report


def request(groups: Sequence[Group], places: Places) -> dict[str, Any]:
    """Write groups and places as JSON; the other runs of a group are left out."""
    numbers = {id(group): number for number, group in enumerate(groups)}
    return {
        "places": places.to_json(),
        "groups": [
            {
                "first": group.first.to_json(),
                "name": group.name,
                "images": [
                    [role, [[part, [_images(one) for one in seen]] for part, seen in parts.items()]]
                    for role, parts in group.images.items()
                ],
                "parent": None if group.parent is None else numbers[id(group.parent)],
                "teachers": {slot: numbers[id(teacher)] for slot, teacher in group.teachers.items()},
            }
            for group in groups
        ],
    }


def _images(images: Images) -> list[Any]:
    spacing = None if images.spacing_mm is None else list(images.spacing_mm)
    return [list(images.shape), spacing, images.suffix, images.mask]


def read_request(value: Mapping[str, Any]) -> tuple[list[Group], Places]:
    """Read what `request` wrote; each group has its own number as its only work."""
    groups: list[Group] = []
    for number, one in enumerate(value["groups"]):
        images = {
            role: {
                part: tuple(
                    Images(tuple(shape), None if spacing is None else tuple(spacing), suffix, mask)
                    for shape, spacing, suffix, mask in seen
                )
                for part, seen in parts
            }
            for role, parts in one["images"]
        }
        parent = None if one["parent"] is None else groups[one["parent"]]
        teachers = {slot: groups[teacher] for slot, teacher in one["teachers"].items()}
        groups.append(Group(Manifest.from_json(one["first"]), one["name"], [str(number)], images, parent, teachers))
    return groups, Places.from_json(value["places"])


def write_report(report: Report) -> dict[str, Any]:
    """Write a report as JSON."""
    return {"facts": [asdict(one) for one in report.facts], "flaws": [asdict(one) for one in report.flaws]}


def read_report(value: Mapping[str, Any], groups: Sequence[Group]) -> Report:
    """Read what `write_report` wrote, with the works of the groups."""
    return Report(
        tuple(_facts(one, groups) for one in value["facts"]), tuple(_flaw(one, groups) for one in value["flaws"])
    )


def _works(numbers: Sequence[str], groups: Sequence[Group]) -> tuple[str, ...]:
    return tuple(work for number in numbers for work in groups[int(number)].works)


def _facts(one: Mapping[str, Any], groups: Sequence[Group]) -> Facts:
    pairs = {
        key: None if one[key] is None else tuple((a, b) for a, b in one[key])
        for key in ("heads", "transfer", "changes")
    }
    memory = None if one["memory"] is None else Memory(**one["memory"])
    shape = tuple(one["shape"])
    return Facts(**{**one, **pairs, "works": _works(one["works"], groups), "memory": memory, "shape": shape})


def _flaw(one: Mapping[str, Any], groups: Sequence[Group]) -> Flaw:
    told = one["problem"]
    problem = Problem(
        told["code"], told["message"], severity=Severity(told["severity"]), help=told["help"], note=told["note"]
    )
    elsewhere = tuple(Elsewhere(**other) for other in one["elsewhere"])
    return Flaw(_works(one["works"], groups), one["setting"], problem, elsewhere)
