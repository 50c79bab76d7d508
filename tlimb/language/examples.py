"""A small runnable study for every component: how it is written, and where."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tlimb.language.catalogue import Catalogue, Listing, Option
from tlimb.language.grammar import grammar
from tlimb.language.rewriting.formatting import formatted
from tlimb.language.rewriting.spelling import spelled
from tlimb.language.source import parse

FOLDER = "data/people"
COHORT = f"tlimb phantom {FOLDER} --participants 60"
"""What makes the images that the studies read."""
SERIES = f"{FOLDER}/derivatives/series/{{participant_id}}/func/{{participant_id}}_task-rest_timeseries.tsv"

_WRITTEN: Mapping[tuple[str, str], Any] = MappingProxyType(
    {
        ("cohort", "folder"): FOLDER,
        ("cohort", "suffix"): "T1w",
        ("cohort", "file"): f"{FOLDER}/participants.tsv",
        ("cohort", "image"): f"{FOLDER}/{{participant_id}}/anat/{{participant_id}}_T1w.nii.gz",
        ("split", "by"): "site",
        ("split", "name"): "part",
        ("split", "folds"): 3,
        ("data", "crop"): [20, 24, 20],
        ("data", "size"): [20, 24, 20],
        ("data", "preprocess"): ["canonical", {"resample": {"spacing_mm": 8}}, {"crop": {"shape": [20, 24, 20]}}],
        ("preprocess", "shape"): [20, 24, 20],
        ("sampler", "by"): "site",
        ("auxiliary", "alpha"): 0.1,
        ("objective", "low"): 15,
        ("objective", "high"): 90,
        ("optimizer", "lr"): 1e-3,
        ("backend", "volume_claim"): "study",
        ("search", "count"): 4,
    }
)
"""Values of required options for which their type alone tells no good one: kind and option -> value."""

_USEFUL: Mapping[tuple[str, str], Mapping[str, Any]] = MappingProxyType(
    {
        ("cohort", "hcp"): {
            "folder": "data/hcp",
            "image": "T1w_restore_brain",
            "behavioural": "data/hcp/behavioural.csv",
            "restricted": "data/hcp/restricted.csv",
        },
        ("split", "holdout"): {"train": 0.6, "val": 0.2, "test": 0.2, "stratify": ["sex"]},
        ("split", "kfold"): {"val": 0.2},
        ("split", "leave_one_out"): {"val": 0.2},
        ("data", "slices_2d"): {"size": [32, 32]},
        ("preprocess", "mask"): {"threshold": 100},
        ("architecture", "resnet3d"): {"filters": 8},
        ("architecture", "densenet121"): {"growth": 4, "filters": 8},
        ("architecture", "swin3d"): {"feature_size": 12, "window": 4},
        ("architecture", "vit3d"): {"patch_size": 4, "width": 48, "depth": 4, "heads": 3},
        ("architecture", "resnet1d"): {"depth": 10, "filters": 16},
        ("architecture", "tcn"): {"filters": 16},
        ("architecture", "sfcn"): {"channels": [8, 16, 32, 32]},
    }
)
"""Options worth showing although they have defaults, and what a component needs of its own."""

_NETWORKS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"resnet3d": {"depth": 10}, "sfcn": {}, "timm": {"model": "resnet18"}, "vit3d": {}, "swin3d": {}, "densenet121": {}}
)
"""Networks of public weights, with the options that they need."""

Place = Callable[[dict[str, Any], Listing, Any], None]


def images(listing: Listing) -> str:
    """Say where the images come from that the study with a component reads, for a heading."""
    if (listing.kind, listing.name) == ("cohort", "hcp"):
        return "On images of the S1200 release, unpacked in `data/hcp`"
    return f"On images made by `{COHORT} --regions 16`" if _serial(listing) else f"On images made by `{COHORT}`"


def _serial(listing: Listing) -> bool:
    return listing.kind in ("data", "architecture") and listing.facts.get("dims") == [1]


def written(listing: Listing) -> Any:
    """Give a component as it is written: its name, or its name with the options that it needs."""
    options = {name: value(listing, option) for name, option in listing.options.items() if option.required}
    options |= _USEFUL.get((listing.kind, listing.name), {})
    ordered = {name: options[name] for name in listing.options if name in options}
    return {listing.name: ordered} if ordered else listing.name


def value(listing: Listing, option: Option) -> Any:
    """Give a value that an option may have."""
    known = _WRITTEN.get((listing.kind, option.name))
    if known is not None:
        return known
    schema = option.schema
    if schema.get("names") == "labels":
        # What learns from images and reads a label beside them compares numbers.
        return "age" if listing.facts.get("kind") in ("number", "image") else "sex"
    for found in (schema.get("enum"), schema.get("examples")):
        if found:
            return found[0]
    types = schema.get("type")
    kind = types if isinstance(types, str) else (types or ["string"])[0]
    if kind in ("integer", "number"):
        least = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        most = schema.get("maximum", schema.get("exclusiveMaximum", least + 16))
        return min(max(least, 8), most)
    return {"boolean": True, "array": [], "object": {}}.get(str(kind), "x")


def study(listing: Listing, catalogue: Catalogue) -> str:
    """Give a whole study that uses a component, as text."""
    found = _base()
    _PLACES[listing.kind](found, listing, written(listing))
    if listing.kind == "layout":
        _with_network(found, listing, catalogue)
    text = formatted(parse(spelled(found), Path("study.yaml")), grammar(catalogue))
    return re.sub(r"\n(?=[a-z]+:(?: \{.*\})?\n)", r"\n\n", text)


def _base() -> dict[str, Any]:
    return {
        "tlimb": 1,
        "datasets": {
            "people": {
                "files": {"phantom": {"folder": FOLDER}},
                "split": {"holdout": {"train": 0.6, "val": 0.2, "test": 0.2}},
            }
        },
        "stages": {
            "train": {
                "dataset": "people",
                "data": {"bio_image": {"spacing_mm": 8, "crop": [20, 24, 20]}},
                "architecture": {"resnet3d": {"depth": 10, "filters": 8}},
                "objective": {"classification": {"target": "sex"}},
                "optimizer": {"adamw": {"lr": 1e-3}},
                "trainer": {"epochs": 2, "batch_size": 16},
            }
        },
        "tests": {"held_out": {"of": "train"}},
    }


def _in_dataset(key: str) -> Place:
    def put(found: dict[str, Any], listing: Listing, said: Any) -> None:
        people = found["datasets"]["people"]
        people[key] = said
        if listing.name == "hcp":
            found["stages"]["train"]["objective"] = {"classification": {"target": "Gender"}}
        if listing.name == "column":  # the phantom's sites stand for a column that says train, val and test
            recoded = {"part": {"column": "site", "map": {"A": "train", "B": "val", "C": "test"}}}
            found["datasets"]["people"] = {"files": people["files"], "labels": recoded, "split": said}

    return put


def _in_stage(key: str) -> Place:
    def put(found: dict[str, Any], listing: Listing, said: Any) -> None:
        stage = found["stages"]["train"]
        stage[key] = said
        if _serial(listing):
            table = {"file": f"{FOLDER}/participants.tsv", "image": SERIES}
            found["datasets"]["people"]["files"] = {"table": table}
            stage["data"] = said if key == "data" else "time_series"
            stage["architecture"] = said if key == "architecture" else {"tcn": {"filters": 16}}
            return
        flat = listing.facts.get("dims") == [2] if key == "architecture" else listing.name.endswith("_2d")
        if flat and key == "architecture":
            stage["data"] = {"slices_2d": {"size": [32, 32]}}
        elif flat:
            stage["architecture"] = {"timm": {"model": "resnet18"}}
        roles = tuple(listing.facts.get("roles") or ())
        if listing.facts.get("slots"):
            _with_slots(found, listing.facts["slots"])
        elif listing.facts.get("needs_parent"):
            _with_parent(found, listing, key, said)
        elif listing.facts.get("kind") == "image":
            _pretrained(found, said)
        elif roles in _ROLES:
            _with_roles(found, roles)

    return put


_ROLES: Mapping[tuple[str, ...], Mapping[str, Any]] = {
    ("labelled", "unlabelled"): {"labelled": {"like": "people", "subset": {"train": 20}}, "unlabelled": None},
    ("source", "target"): {
        "source": {"like": "people", "only": {"site": "A"}},
        "target": {"like": "people", "only": {"site": "B"}},
    },
}
"""Roles that components read together -> datasets that stand for them; None for the people themselves."""


def _with_roles(found: dict[str, Any], roles: tuple[str, ...]) -> None:
    """Give a stage a dataset in each role, and the scenario that reads them where none is written."""
    stage = found["stages"]["train"]
    found["datasets"] |= {name: one for name, one in _ROLES[roles].items() if one is not None}
    named = {name: "people" if one is None else name for name, one in _ROLES[roles].items()}
    items = [("datasets", named), *((key, value) for key, value in stage.items() if key != "dataset")]
    stage.clear()
    stage.update(items)
    if roles[0] == "source":
        stage.setdefault("scenario", "domain_adaptation")
    found["tests"] = {"held_out": {"of": "train", "dataset": "target" if roles[0] == "source" else "people"}}


def _pretrained(found: dict[str, Any], said: Any) -> None:
    """Let what predicts nothing come before a stage that does."""
    stage = found["stages"]["train"]
    stage.pop("objective")
    stages = {
        "pretrain": {"objective": said},
        "finetune": {"from": "pretrain", "objective": {"classification": {"target": "sex"}}},
    }
    found.pop("tests")
    found.pop("stages")
    found |= {"defaults": stage, "stages": stages, "tests": {"held_out": {"of": "finetune"}}}


def _with_slots(found: dict[str, Any], slots: Sequence[str]) -> None:
    """Let the stage read an earlier one like it in each slot."""
    stage = found["stages"].pop("train")
    before = {name: value for name, value in stage.items() if name != "auxiliary"}
    found["stages"] |= {"earlier": before, "train": {"from": dict.fromkeys(slots, "earlier"), **stage}}


def _with_parent(found: dict[str, Any], listing: Listing, key: str, said: Any) -> None:
    stage = found["stages"].pop("train")
    stage.pop(key)
    shared = {name: stage.pop(name) for name in ("dataset", "data", "architecture", "optimizer", "trainer")}
    stages = {
        "pretrain": {"objective": {"regression": {"target": "age"}}},
        "finetune": {"from": "pretrain", **stage, key: said},
    }
    if listing.facts.get("trains") is False:
        # The heads are the parent's, so nothing says what to learn.
        stages["pretrain"], stages["finetune"] = {"objective": stage["objective"]}, {"from": "pretrain", key: said}
    tests = {"held_out": {"of": "finetune"}}
    found |= {"stages": stages, "tests": tests}
    items = [(name, value) for name, value in found.items() if name not in ("stages", "tests")]
    found.clear()
    found.update({**dict(items), "defaults": shared, "stages": stages, "tests": tests})


def _step(key: str) -> Place:
    def put(found: dict[str, Any], listing: Listing, said: Any) -> None:
        steps: dict[str, Any] = {
            "canonical": "canonical",
            "resample": {"resample": {"spacing_mm": 8}},
            "crop": {"crop": {"shape": [20, 24, 20]}},
        }
        if key == "preprocess":
            steps[listing.name] = said
        options = {"preprocess": list(steps.values()), **({} if key == "preprocess" else {key: [said]})}
        found["stages"]["train"]["data"] = {"volume_3d": options}

    return put


def _heads(found: dict[str, Any], listing: Listing, said: Any) -> None:
    stage = found["stages"]["train"]
    heads = {"sex": {"objective": stage["objective"]}, "age": {"objective": {"regression": {"target": "age"}}}}
    items = [(name, value) for name, value in stage.items() if name != "objective"]
    stage.clear()
    stage.update({**dict(items), "heads": heads, "weighting": said})


def _metric(found: dict[str, Any], listing: Listing, said: Any) -> None:
    if listing.facts.get("kind") == "number":
        found["stages"]["train"]["objective"] = {"regression": {"target": "age"}}
    found["report"] = {"metrics": [said]}


def _search(found: dict[str, Any], listing: Listing, said: Any) -> None:
    rates = {"choice": [1e-4, 1e-3]} if listing.name == "grid" else {"log_uniform": [1e-4, 1e-2]}
    found["stages"]["train"]["optimizer"] = {"adamw": {"lr": rates}}
    found |= {"search": said, "select": {"metric": "cross_entropy"}}


def _layout(found: dict[str, Any], listing: Listing, said: Any) -> None:
    entry: dict[str, Any] = {"file": "weights.safetensors", "layout": said, "digest": "sha256:" + 64 * "0"}
    if not listing.facts.get("cohorts"):
        entry["cohorts"] = ["whom they were trained on"]
    found["pretrained"] = {"public": entry}
    found["stages"]["train"]["from"] = "public"


def _with_network(found: dict[str, Any], listing: Listing, catalogue: Catalogue) -> None:
    """Give the study the network and the preprocessing that public weights were made with."""
    stage, network = found["stages"]["train"], str(listing.facts.get("architecture"))
    if network in _NETWORKS and catalogue.get("architecture", network) is not None:
        options = {**_NETWORKS[network], **listing.facts["options"]}
        stage["architecture"] = {network: options} if options else network
    if network == "timm":
        stage["data"] = {"slices_2d": {"size": [32, 32]}}
    elif "unit_range" in listing.facts.get("expects", ()):
        grid = stage["data"]["bio_image"]
        steps = [
            "canonical",
            {"resample": {"spacing_mm": grid["spacing_mm"]}},
            "min_max",
            {"crop": {"shape": grid["crop"]}},
        ]
        stage["data"] = {"volume_3d": {"preprocess": steps}}
    else:
        stage["data"]["bio_image"] |= listing.facts.get("preprocess", {})


def _logger(found: dict[str, Any], listing: Listing, said: Any) -> None:
    found["execution"] = {"loggers": [said]}


def _backend(found: dict[str, Any], listing: Listing, said: Any) -> None:
    found["execution"] = {"profiles": {"mine": {"backend": said}}}


_PLACES: Mapping[str, Place] = MappingProxyType(
    {
        "cohort": _in_dataset("files"),
        "split": _in_dataset("split"),
        **{
            kind: _in_stage(kind)
            for kind in (
                "data", "architecture", "head", "objective", "auxiliary", "sampler", "scenario", "optimizer",
                "scheduler",
            )
        },
        "preprocess": _step("preprocess"),
        "augment": _step("augment"),
        "weighting": _heads,
        "metric": _metric,
        "callback": _in_stage("callbacks"),
        "logger": _logger,
        "layout": _layout,
        "search": _search,
        "backend": _backend,
    }
)  # fmt: skip
"""How a component of each kind is put into the study."""
