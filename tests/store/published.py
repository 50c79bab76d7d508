"""Small objects in a store."""

import hashlib

from tests.store.drafts import draft
from tlimb.store import disk, seal

WORK = hashlib.sha256(b"work").hexdigest()
TORCH = {"torch": "1"}


def publish(store, work=WORK, content=b"weights", environment=TORCH, of=None):
    """Publish a training; `of` is the work that its result says it is of."""
    with store.staging() as staged:
        disk.write(staged / "encoder.safetensors", content)
        disk.write(staged / "history.json", b"[]")
        seal(staged, draft("fit", of or work, environment=environment))
        return store.publish(work, staged)


def objects_of(store):
    return [path for path in (store.base / "objects").rglob("*") if path.is_file()]
