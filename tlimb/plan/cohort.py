"""Datasets of a study to rows: indexes, divisions, views and the facts that manifests carry."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import evolve

from tlimb.cohorts import narrow, parts, view
from tlimb.cohorts.declaration import Declaration, ForeignReader, IdentityDecl, JoinDecl, LabelDecl
from tlimb.cohorts.hashing import HashCache
from tlimb.cohorts.index import index
from tlimb.cohorts.leaks import Kinship
from tlimb.cohorts.parts import Division
from tlimb.cohorts.rows import Cell, Cohort, Row
from tlimb.language.model import Dataset, Study
from tlimb.language.values import Component
from tlimb.manifest import Json
from tlimb.plan import pieces
from tlimb.plan.data import Use, Uses
from tlimb.plan.draws import run_seed
from tlimb.problems import Problem, Severity, TlimbError

Progress = Callable[[int, int], None]


class Cohorts:
    """Answers about datasets from the files themselves; implements `tlimb.plan.data.Data`."""

    def __init__(
        self,
        study: Study,
        roots: Mapping[str, Path],
        private: Path,
        hashes: HashCache,
        progress: Progress | None = None,
        *,
        with_names: bool = False,
        foreign: Callable[[str], ForeignReader | None] = lambda name: ForeignReader(name) if "." in name else None,
        remake: Callable[[Dataset], str] = lambda _: "tlimb index",
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            study: the study.
            roots: absolute folder of each named root; `spec` is the folder of the spec.
            private: folder with identity maps and the group's key.
            hashes: what is known of files.
            progress: observer (done, all) of the reading of images.
            with_names: problems may name people and files.
            foreign: gives what a reader is by its name or class path; None for those of tlimb itself.
            remake: gives the command that indexes a dataset with such a reader.
        """
        self.study = study
        self.roots = roots
        self.private = private
        self.hashes = hashes
        self.progress = progress
        self.with_names = with_names
        self.foreign = foreign
        self.remake = remake
        self.problems: list[Problem] = []
        self.views: dict[str, view.View] = {}
        self.rows_of: dict[str, tuple[Row, ...]] = {}
        self._cohorts: dict[str, Cohort] = {}
        self._by_declaration: dict[str, Cohort] = {}
        self._divisions: dict[tuple[str, int], Division] = {}
        self._parts: dict[tuple[Use, str], tuple[Row, ...] | None] = {}
        self._hidden: dict[str, tuple[str, ...]] = {}
        self._views: dict[tuple[Uses, str, tuple[str, ...]], str | None] = {}

    # -- indexes --

    def cohort(self, name: str) -> Cohort:
        """Give a dataset's index.

        Raises:
            TlimbError: it cannot be made; the problems say why.
        """
        if name not in self._cohorts:
            declaration = self.declaration(self.study.datasets[name])
            key = repr(declaration)
            if key not in self._by_declaration:
                made, problems = index(declaration, self.hashes, self.progress, with_names=self.with_names)
                self._note(problems)
                if made is None:
                    raise TlimbError(problems)
                self._by_declaration[key] = made
            self._cohorts[name] = self._by_declaration[key]
        return self._cohorts[name]

    def known(self, name: str) -> bool:
        """Say whether a dataset has been indexed."""
        return name in self._cohorts

    def pointer_of_only(self, dataset: Dataset) -> str:
        """Give where the restriction of a dataset is written, its own or the inherited one."""
        inside = next((at for name, at in dataset.origins.items() if name.startswith("only/")), dataset.pointer + "/")
        return inside.rpartition("/")[0]

    def _note(self, problems: list[Problem]) -> None:
        self.problems += [problem for problem in problems if problem not in self.problems]
        if any(problem.severity is Severity.ERROR for problem in problems):
            raise TlimbError(problems)

    def declaration(self, dataset: Dataset) -> Declaration:
        """Give a dataset as the cohort readers take it."""
        files = dataset.files or Component("none", {}, dataset.pointer)
        root = dataset.root or "spec"
        identity = dataset.identity
        foreign = self.foreign(files.name)
        return Declaration(
            name=dataset.files_place,
            pointer=files.pointer.rpartition("/files")[0],
            reader=files.name,
            options={key: pieces.plain(value) for key, value in files.options.items()},
            root_name=root,
            root=self.roots[root],
            labels={n: LabelDecl(one.column, dict(one.map), one.private) for n, one in dataset.labels.items()},
            joins=tuple(JoinDecl(join.file, join.by, join.private) for join in dataset.join),
            missing=dataset.missing,
            identity=None if identity is None else IdentityDecl(identity.namespace, identity.column, identity.map),
            cohort=dataset.cohort,
            private_root=self.private,
            foreign=foreign,
            remake="" if foreign is None else self.remake(dataset),
        )

    def indexes(self) -> tuple[Cohort, ...]:
        """Give the indexes that were read so far, one for each set of files and labels."""
        found = {cohort.name: cohort for cohort in self._by_declaration.values()}
        return tuple(found[name] for name in sorted(found))

    def kinship(self) -> Kinship:
        """Give who belongs together over all cohorts that were read; groups of the splits count as families."""
        groups: dict[str, list[str]] = {}
        for dataset in self.study.datasets.values():
            if dataset.split is not None:
                groups.setdefault(dataset.files_place, []).extend(_options(dataset.split).get("group") or ())
        return Kinship(self._by_declaration.values(), groups)

    # -- who is in which part --

    def division(self, name: str, replicate: int = 0) -> Division:
        """Give how the people of a dataset are divided, folds included."""
        dataset = self.study.datasets[name]
        owner = self.study.datasets[dataset.split_place or name]
        key = (owner.name, replicate)
        if key not in self._divisions:
            cohort = self.cohort(owner.name)
            pointer = dataset.origins.get("split", dataset.pointer)
            split = None if dataset.split is None else {dataset.split.name: _options(dataset.split)}
            people = None if owner.portion is None else self._portion(owner)
            seed = self.study.seed if replicate == 0 else run_seed(self.study.seed, replicate)
            made, problems = parts.divide(cohort, split, seed=seed, participants=people, pointer=pointer)
            self._note(problems)
            assert made is not None
            self._divisions[key] = made
        return self._divisions[key]

    def _portion(self, dataset: Dataset) -> tuple[str, ...]:
        pointer = dataset.origins.get("portions", dataset.pointer)
        groups = {
            label
            for other in self.study.datasets.values()
            if other.files_place == dataset.files_place and other.split is not None
            for label in (_options(other.split).get("group") or ())
        }
        cohort = self.cohort(dataset.name)
        made, problems = narrow.portions(cohort, dataset.portions, seed=self.study.seed, group=groups, pointer=pointer)
        self._note(problems)
        return made[str(dataset.portion)]

    def used(self) -> dict[str, Use]:
        """Give the datasets that were read so far, each with one way in which it was."""
        return {use.dataset: use for use, _ in self._parts}

    def kept(self, name: str) -> tuple[Row, ...]:
        """Give the rows of a dataset that its `portion` and `only` leave."""
        dataset = self.study.datasets[name]
        rows = self._kept(dataset, self.cohort(name))
        if dataset.portion is None:
            return rows
        people = set(self._portion(dataset))
        return tuple(row for row in rows if row.participant in people)

    def rows(self, use: Use, part: str) -> tuple[Row, ...] | None:
        """Give the images of a part in canonical order; None when the split makes no such part."""
        key = (use, part)
        if key not in self._parts:
            self._parts[key] = self._rows(use, part)
        return self._parts[key]

    def _rows(self, use: Use, part: str) -> tuple[Row, ...] | None:
        dataset = self.study.datasets[use.dataset]
        division = self.division(use.dataset, use.replicate if use.resplit else 0)
        if dataset.split is None and part == "train":
            part = "all"
        people = division.part(part, use.fold, use.inner)
        if people is None:
            return None
        wanted = set(people)
        owner = dataset.split_place or dataset.name
        if dataset.portion is not None and owner != dataset.name:
            wanted &= set(self._portion(dataset))
        cohort = self.cohort(dataset.name)
        rows = [row for row in self._kept(dataset, cohort) if row.participant in wanted]
        for name, size in use.subset:
            if name == part:
                rows = self._subset(dataset, cohort, division, rows, part, size, use.replicate)
        return tuple(evolve(row, dataset=dataset.name) for row in rows)

    def _kept(self, dataset: Dataset, cohort: Cohort) -> tuple[Row, ...]:
        places = {name: dataset.origins.get(f"only/{name}", f"{dataset.pointer}/only") for name in dataset.only}
        images = f"{dataset.origins.get('files', dataset.pointer)}"
        files = dataset.files
        if files is not None:
            images += f"/{files.name}"
        self._note(narrow.unique_images(cohort, dataset.only, images, dataset=dataset.name, with_names=self.with_names))
        if not dataset.only:
            return cohort.rows
        rows, problems = narrow.only(cohort, dataset.only, f"{dataset.pointer}/only", places)
        self._note(problems)
        return rows

    def _subset(
        self,
        dataset: Dataset,
        cohort: Cohort,
        division: Division,
        rows: list[Row],
        part: str,
        size: float,
        replicate: int,
    ) -> list[Row]:
        people = dict.fromkeys(row.participant for row in rows)
        pointer = dataset.origins.get(f"subset/{part}", dataset.pointer)
        chosen, problems = narrow.subset(
            cohort,
            people,
            size,
            seed=run_seed(self.study.seed, replicate),
            part=part,
            stratify=division.stratify,
            pointer=pointer,
        )
        self._note(problems)
        return [row for row in rows if row.participant in set(chosen)]

    # -- what manifests need --

    def folds(self, dataset: str) -> tuple[str, ...]:
        """Give the names of a dataset's outer folds; empty when its split has none."""
        split = self.study.datasets[dataset].split
        if split is None or split.name not in ("kfold", "leave_one_out"):
            return ()
        names = self.division(dataset).names
        # A private label's values are in no manifest: its folds are numbered.
        private = split.options.get("by") in self.cohort(dataset).private
        return tuple(str(position + 1) for position in range(len(names))) if private else names

    def view(self, uses: Uses, part: str, labels: tuple[str, ...]) -> str | None:
        """Give the digest of the rows of a part, pooled in order; None when the part does not exist."""
        key = (uses, part, labels)
        if key not in self._views:
            found = [self._shown(use, part, labels) for use in uses]
            if any(rows is None for rows in found) or not any(found):
                self._views[key] = None
            else:
                rows = tuple(row for one in found for row in one or ())
                self._views[key] = self._keep(rows, labels)
        return self._views[key]

    def _shown(self, use: Use, part: str, labels: tuple[str, ...]) -> tuple[Row, ...] | None:
        """Give rows in which the classes of private labels are positions: no manifest holds their names."""
        rows = self.rows(use, part)
        for label in labels:
            classes = self._private_classes(label)
            if rows and classes:
                rows = view.hide(rows, label, classes)
        return rows

    def _private_classes(self, label: str) -> tuple[str, ...]:
        """Give the classes of a label that is private in some cohort, over all cohorts of the study.

        One list for all: position 1 must mean one class wherever the label is pooled, transferred or tested.
        """
        if label not in self._hidden:
            cohorts = [self.cohort(name) for name, one in self.study.datasets.items() if one.files is not None]
            having = [one for one in cohorts if label in one.labels and one.labels[label].kind == "class"]
            private = any(label in one.private for one in having)
            names = {name for one in having for name in one.labels[label].classes}
            self._hidden[label] = view.ordered(names) if private else ()
        return self._hidden[label]

    def _keep(self, rows: tuple[Row, ...], labels: tuple[str, ...]) -> str:
        work, content = view.view(rows, labels)
        self.views[work] = content
        self.rows_of[work] = rows
        return work

    def values(self, digest: str, label: str) -> list[Cell]:
        """Give the values of a label in a view, missing ones left out."""
        rows = self.views[digest]["rows"] if digest in self.views else []
        return [value for row in rows if (value := row["labels"].get(label)) is not None]

    def facts(self, uses: Uses, label: str | None, kind: str) -> Json:
        """Give what a manifest says of a target, from the training part; of a private number, not its scale."""
        labels = () if label is None else (label,)
        rows = [row for use in uses for row in self._shown(use, "train", labels) or ()]
        if not kind and label is not None:
            found = [one for use in uses if (one := self.cohort(use.dataset).labels.get(label)) is not None]
            kind = "number" if all(one.kind == "number" for one in found) else "class"
        facts = view.facts(rows, label, kind)
        # The scale of a private number is made of its values, so the run takes it from the private view instead.
        return {**facts, "mean": None, "sd": None} if label is not None and self._private(label) else facts

    def _private(self, label: str) -> bool:
        """Say whether a label is private in some cohort of the study."""
        return any(
            label in self.cohort(name).private for name, one in self.study.datasets.items() if one.files is not None
        )

    def inputs(self, uses: Uses) -> Json:
        """Give the header facts of the training images."""
        return view.inputs([row for use in uses for row in self.rows(use, "train") or ()])

    def whole(self, dataset: str) -> str | None:
        """Give the digest of all images of a dataset, without labels, for the cache fill."""
        rows = self._kept(self.study.datasets[dataset], self.cohort(dataset))
        return self._keep(rows, ()) if rows else None


def _options(component: Component) -> dict[str, Any]:
    found = pieces.plain(component)[component.name]
    return dict(found)
