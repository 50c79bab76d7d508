"""Whole results by hand, as runs write them before they are sealed."""

COUNTS = {"total": 3, "trainable": 2, "frozen": 1}
OF_KIND = {
    "prepare": {"images": 1, "shapes": [[1, 2, 2, 2]]},
    "fit": {
        "counts": COUNTS, "transfer": None, "heads_kept": [], "epochs": 2, "batches": 4, "best_epoch": 2,
        "best_value": None, "stopped_early": False, "losses": {"train": {"sex": 0.5}, "val": None},
    },
    "predict": {"rows": 1},
    "select": {"chosen": 0, "values": [0.5]},
}  # fmt: skip


def draft(kind, work, **more):
    """Give the result of a node of a kind; `more` replaces or adds keys."""
    return {"tlimb": 1, "kind": kind, "work": work, "status": "done", "environment": {}, **OF_KIND[kind], **more}


def passport(work, **more):
    """Give the passport of a training."""
    component = {"class": "a.b.C", "revision": 1, "options": {}}
    facts = {"label": "sex", "classes": ["F", "M"], "counts": [4, 4], "mean": None, "sd": None}
    return {
        "format": 1, "tlimb": 1, "work": work, "data": component, "preprocessing": {}, "architecture": component,
        "inputs": {"channels": 1, "shape": [2, 2, 2]}, "views": {"data": {"train": "a" * 64, "val": None}},
        "heads": [{"name": "sex", "objective": component, "head": component, "weight": 1, "role": None,
                   "facts": facts}],
        "trainer": {"batch_size": 2, "precision": "fp32", "threads": 1, "device": "any"},
        "seen": ["a" * 64], "licence": None, "counts": COUNTS, **more,
    }  # fmt: skip
