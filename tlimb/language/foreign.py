"""Words that users of other tools bring along, and the line to write for each here."""

from collections.abc import Mapping

from attrs import frozen

from tlimb.language.catalogue import Catalogue
from tlimb.language.shapes import Shape
from tlimb.language.tree import Entry
from tlimb.language.walk import clip, inline


@frozen
class Word:
    """What another tool's key is here.

    Attributes:
        name: the key here, in the same block where that block has it; empty for none.
        lines: what to write, `VALUE` standing for what was written; first of a stage, or of the study where `top`.
        top: the lines are written at the top level.
    """

    name: str
    lines: tuple[str, ...]
    top: bool = False


@frozen
class Answer:
    """What is said of a key that does not stand here.

    Attributes:
        meant: the key of the same block that was meant, whose value is checked; empty for none.
        code: `foreign-word`, or `unknown-key` for words of the language in the wrong block.
        message: what is wrong.
        help: the lines to write.
    """

    meant: str
    code: str
    message: str
    help: tuple[str, ...]


_EPOCHS = Word("epochs", ("trainer: {epochs: VALUE}",))
_STEPS = Word("steps", ("trainer: {steps: VALUE}",))
_NETWORK = Word("architecture", ("architecture: VALUE",))
_RATE = Word("lr", ("optimizer: {adamw: {lr: VALUE}}",))
_LOSS = Word(
    "",
    (
        "objective: {classification: {target: LABEL}}   (its loss is the cross entropy)",
        "objective: {regression: {target: LABEL}}   for numbers",
    ),
)
_SPLIT = Word("", ("split: {holdout: {train: VALUE, val: 0.1, test: 0.1}}",))
_SEED = Word("seed", ("seed: VALUE",), top=True)
_FOLDER = Word("", ("datasets: {NAME: {files: {bids: {folder: VALUE, suffix: T1w}}}}",), top=True)
_PARAMS = Word(
    "",
    (
        "optimizer: {adamw: {lr: 1e-3}}   a value stands where it is used",
        "params: {lr: 1e-3}   at the top and {param: lr} in each place that shares it",
    ),
    top=True,
)
_SEARCH = Word("search", ("search: {random: {count: 20, seed: 1}}",), top=True)
_GPUS = Word("", ("execution: {resources: {gpus: VALUE}}   at the top level; it changes no result",), top=True)
_WORKERS = Word("", ("execution: {backend: {local: {workers: VALUE}}}",), top=True)
_WEIGHTS = Word(
    "",
    (
        "from: STAGE   to start from a stage of this study",
        "from: NAME   with   pretrained: {NAME: {file: weights.pth, layout: ..}}   at the top level",
    ),
)

WORDS: Mapping[str, Word] = {
    **dict.fromkeys(("max_epochs", "num_epochs", "n_epochs", "total_epochs", "epochs"), _EPOCHS),
    **dict.fromkeys(("max_steps", "num_steps", "iterations", "max_iters", "steps"), _STEPS),
    **dict.fromkeys(("model", "encoder", "backbone", "network", "net", "arch"), _NETWORK),
    **dict.fromkeys(("learning_rate", "base_lr", "initial_lr", "init_lr", "lr"), _RATE),
    **dict.fromkeys(("loss", "criterion", "loss_fn", "loss_function"), _LOSS),
    **dict.fromkeys(("train_split", "train_fraction", "split_ratio"), _SPLIT),
    **dict.fromkeys(("seed_everything", "random_seed", "random_state", "manual_seed"), _SEED),
    **dict.fromkeys(("data_dir", "data_root", "dataset_path", "data_path", "dataroot"), _FOLDER),
    **dict.fromkeys(("hyperparameters", "hparams", "hyper_parameters", "sweep_parameters"), _PARAMS),
    **dict.fromkeys(("searcher", "hyperopt", "sweeper", "sweep", "tuner"), _SEARCH),
    **dict.fromkeys(("gpus", "num_gpus", "slots_per_trial"), _GPUS),
    **dict.fromkeys(("num_workers", "n_jobs", "num_samples_workers"), _WORKERS),
    **dict.fromkeys(("pretrained", "checkpoint", "weights", "init_from", "ckpt_path", "pretrained_weights"), _WEIGHTS),
    "batch_size": Word("batch_size", ("trainer: {batch_size: VALUE}",)),
    "train_batch_size": Word("batch_size", ("trainer: {batch_size: VALUE}",)),
    "global_batch_size": Word("batch_size", ("trainer: {batch_size: VALUE}",)),
    "accumulate_grad_batches": Word("accumulate", ("trainer: {accumulate: VALUE}",)),
    "gradient_clip_val": Word("gradient_clip", ("trainer: {gradient_clip: VALUE}",)),
    "precision": Word("precision", ("trainer: {precision: VALUE}",)),
    "accelerator": Word("device", ("trainer: {device: any}",)),
    "lr_scheduler": Word("scheduler", ("scheduler: VALUE",)),
    "wd": Word("weight_decay", ("optimizer: {adamw: {lr: 1e-3, weight_decay: VALUE}}",)),
    "patience": Word("", ("trainer: {early_stopping: {patience_epochs: VALUE}}",)),
    "target": Word("", ("objective: {regression: {target: VALUE}}", "objective: {classification: {target: VALUE}}")),
    "label": Word("target", ("objective: {classification: {target: VALUE}}",)),
    "output_features": Word("", ("heads: {NAME: {objective: {classification: {target: NAME}}}}",)),
    "input_features": Word("", ("data: {bio_image: {spacing_mm: 4, crop: [40, 48, 40]}}",)),
    "preprocessing": Word("", ("data: {volume_3d: {preprocess: [canonical, zscore]}}",)),
    "transforms": Word("", ("data: {volume_3d: {preprocess: [canonical, zscore]}}",)),
    "num_folds": Word("folds", ("split: {kfold: {folds: VALUE, val: 0.1}}",)),
}
"""Keys of Determined, Ludwig, Hydra, Lightning and nnU-Net; one that a block has itself is no foreign word there."""

OWN = frozenset({"batch_size", "epochs", "lr", "precision", "steps", "target"})
"""Words of the language itself, which people write in the wrong block."""

VALUES: Mapping[str, Mapping[str, str]] = {
    "precision": {
        **dict.fromkeys(("32", "32-true", "float32", "full"), "fp32"),
        **dict.fromkeys(("16", "16-mixed", "16-true", "float16", "half", "amp"), "fp16"),
        **dict.fromkeys(("bf16-mixed", "bf16-true", "bfloat16"), "bf16"),
    },
    "device": {"gpu": "cuda", "auto": "any"},
}
"""Key -> another tool's value -> the value here."""


def answer(entry: Entry, shape: Shape, catalogue: Catalogue) -> Answer | None:
    """Say what to write instead of a key of another tool, or of a key that belongs elsewhere; None for other keys."""
    name = entry.key.lower().replace("-", "_")
    word = WORDS.get(name)
    keys = shape.keys or {}
    if word is None or name in keys:
        return None
    written = _value(entry, word, catalogue)
    lines = [line.replace("VALUE", written) for line in word.lines]
    if word.name in keys and not (word is _SEARCH or written != clip(inline(entry.value), 60)):
        message = f"`{entry.key}` is called `{word.name}` here"
        return Answer(word.name, "foreign-word", message, (f"write   {word.name}: {written}",))
    where = ""
    if word is _SPLIT:
        where = "" if shape.title == "dataset" else "   in a dataset"
    elif shape.title == "study" and not word.top:
        where = "   in `defaults` or in a stage"
    elif word.top and shape.title != "study" and "top" not in word.lines[0]:
        where = "   at the top level"
    words = ("write   ", *["or      "] * len(lines))
    help_ = tuple(f"{start}{line}{where}" for start, line in zip(words, lines, strict=False))
    if entry.key in OWN:
        return Answer("", "unknown-key", f"unknown key `{entry.key}` in `{shape.title}`", help_)
    return Answer("", "foreign-word", f"`{entry.key}` is another tool's word", help_)


def _value(entry: Entry, word: Word, catalogue: Catalogue) -> str:
    """Give what was written as it is written here."""
    tree = entry.value
    text = clip(inline(tree), 60)
    if word is _NETWORK and tree.kind == "scalar":
        for listing in catalogue.all("architecture"):
            for theirs, ours in listing.aka.items():
                if theirs.lower() == str(tree.value).lower():
                    return f"{{{ours}}}" if ": " in ours else ours
        if catalogue.get("architecture", str(tree.value)) is None:
            return "{resnet3d: {depth: 18}}"
    if word.name in VALUES:
        return VALUES[word.name].get(text.strip("'\""), text)
    return text if text else ".."
