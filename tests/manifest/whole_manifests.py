"""Contents of manifests by hand that lack nothing: tests write only the parts that they are about."""

A, B, C, D = (letter * 64 for letter in "abcd")
LINEAR = {"class": "tlimb.components.heads.linear.LinearHead", "revision": 1, "options": {"dropout": 0}}
SEX = {"label": "sex", "classes": ["F", "M"], "counts": [4, 4], "mean": None, "sd": None}
TRAINER = {
    "epochs": 2, "steps": None, "batch_size": 3, "accumulate": 1, "precision": "fp32", "threads": 1, "device": "any",
    "devices": 1, "deterministic": None, "monitor": None, "keep": "last", "early_stopping": None, "gradient_clip": None,
}  # fmt: skip
FIT = {
    "kind": "fit", "scenario": LINEAR, "data": LINEAR, "architecture": LINEAR, "auxiliary": [], "weighting": None,
    "heads": [{"name": "sex", "objective": LINEAR, "head": LINEAR, "weight": 1, "role": "source", "facts": SEX}],
    "sampler": None, "optimizer": {**LINEAR, "code": D}, "scheduler": None, "trainer": TRAINER,
    "freeze": {"up_to": None, "thaw_epoch": None, "thaw_every_epochs": None},
    "adapt": {"heads": "new", "stem": None, "position": None, "missing": []},
    "parents": {"encoder": A, "epochs_from": [C, B], "teacher": B},
    "weights": {"encoder": {"sha256": D, "layout": LINEAR}},
    "views": {"target": {"train": B, "val": None}, "source": {"train": C, "val": D}},
    "inputs": {"shape": [2, 3, 4], "spacing_mm": [1, 2.5, 2]}, "seed": 7,
}  # fmt: skip


def whole_fit(heads=(), trainer=None, **parts):
    """Give the content of a training of which some parts are written; heads may be partial too."""
    heads = [
        {
            "objective": LINEAR,
            "head": LINEAR,
            "weight": 1,
            "role": None,
            **head,
            "facts": {**SEX, **head.get("facts", {})},
        }
        for head in heads
    ]
    alone = {"parents": {}, "weights": {}, "views": {"data": {"train": A, "val": None}}}
    return {**FIT, **alone, **parts, "heads": heads, "trainer": {**TRAINER, **(trainer or {})}}


def whole_select(candidates, **parts):
    """Give the content of a selection."""
    return {
        "kind": "select",
        "parents": {"candidates": candidates},
        "metric": LINEAR,
        "head": None,
        "role": "data",
    } | parts


def whole_predict(model, rows=B):
    """Give the content of a test."""
    return {"kind": "predict", "parents": {"model": model}, "views": {"rows": rows}}


def whole(hashed):
    """Give the content of a node of which some parts are written, by its kind."""
    parts = {name: value for name, value in hashed.items() if name != "kind"}
    if hashed["kind"] == "fit":
        return whole_fit(**parts)
    return {"kind": hashed["kind"], "data": LINEAR, **parts} if hashed["kind"] == "prepare" else hashed
