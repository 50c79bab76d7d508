"""A synthetic cohort that `tlimb phantom` wrote."""

import json
import os
import shlex

from tlimb.cohorts.bids import Bids
from tlimb.cohorts.declaration import Declaration
from tlimb.cohorts.reading import Found, Reader, escapes, problem
from tlimb.problems import Problem

STAMP = "phantom.json"
GENERATOR = ("participants", "sites", "visits", "families", "voxel_mm", "seed")


class Phantom(Reader):
    """A synthetic BIDS cohort with known truth, in a folder that `tlimb phantom` wrote.

    Options of the generator that are written here are compared with the folder's stamp, so that a spec says
    which cohort its numbers come from.

    Args:
        folder: Folder of the phantom, relative to the root.
        participants: Number of participants.
        sites: Number of sites, each with its own contrast and noise.
        visits: Number of visits of each participant.
        families: Share of participants with a sibling, 0 to 1.
        voxel_mm: Voxel size in mm, 4 or 8.
        seed: Seed of the generator.
    """

    def __init__(
        self,
        *,
        folder: str,
        participants: int | None = None,
        sites: int | None = None,
        visits: int | None = None,
        families: float | None = None,
        voxel_mm: float | None = None,
        seed: int | None = None,
    ) -> None:
        given = (participants, sites, visits, families, voxel_mm, seed)
        self.folder = self.source = folder
        self.what = "T1w image"
        self.skull_stripped, self.space = True, "MNI152NLin2009aSym"
        self.given = {name: v for name, v in zip(GENERATOR, given, strict=True) if v is not None}

    def find(self, declaration: Declaration, with_names: bool = False) -> tuple[list[Found], list[Problem]]:
        """Give the images, once the stamp agrees with what is written."""
        why = escapes(self.folder)
        if why:
            return [], [problem(declaration, "path-escape", f"`{self.folder}`: {why}", "folder")]
        path = declaration.root / self.folder / STAMP
        try:
            stamp = json.loads(path.read_text(encoding="utf-8"))
            held = {name: stamp[name] for name in GENERATOR}
        except FileNotFoundError:
            return [], [self._problem(declaration, f"no phantom in `{self.folder}`", {})]
        except (OSError, ValueError, KeyError, TypeError):
            return [], [self._problem(declaration, f"the stamp of `{self.folder}` is not readable", {})]
        other = [name for name, value in self.given.items() if held[name] != value]
        if other:
            listed = ", ".join(f"{name} {held[name]}, not {self.given[name]}" for name in other)
            message = f"the phantom in `{self.folder}` was made with {listed}"
            return [], [self._problem(declaration, message, held, other[0])]
        bids = Bids(folder=self.folder, suffix="T1w")
        found, problems = bids.find(declaration, with_names)
        self.columns = bids.columns
        return found, problems

    def _problem(
        self, declaration: Declaration, message: str, held: dict[str, object], option: str = "folder"
    ) -> Problem:
        # Relative where that is shorter, so that a message can be shown without telling where somebody works.
        path = os.path.relpath(declaration.root / self.folder)
        shown = str(declaration.root / self.folder) if path.startswith("..") else path
        help_ = command(shown, {**held, **self.given})
        return problem(declaration, "phantom-missing", message, option, help=help_)


def command(folder: str, options: dict[str, object]) -> str:
    """Give the command that makes a phantom with these options."""
    words = ["tlimb", "phantom", folder]
    for name in GENERATOR:
        if name in options:
            flag = "--" + name.replace("_", "-")
            value = options[name]
            if isinstance(value, bool):
                words.append(flag if value else flag.replace("--", "--no-", 1))
            else:
                words += [flag, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(words)
