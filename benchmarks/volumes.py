"""One epoch over 60 volumes: MONAI decoding each, and tlimb's cache; run by `benchmarks.running.cache`."""

import hashlib
import time
from pathlib import Path

import torch

FOLDER = Path("data/population")


def main() -> None:
    """Print milliseconds a volume for both, one thread."""
    torch.set_num_threads(1)
    images = sorted(FOLDER.glob("sub-*/**/anat/*_T1w.nii.gz"))
    _monai(images[:2])
    begin = time.process_time()
    _monai(images)
    uncached = (time.process_time() - begin) / len(images)
    first, second = _tlimb(images)
    print(f"cache: CPU ms a volume: MONAI uncached {uncached * 1e3:.2f}, tlimb first epoch {first * 1e3:.2f}, ", end="")
    print(f"second epoch {second * 1e3:.4f}\n  second epoch is {uncached / second:.0f} x MONAI uncached; goal: >= 100")


def _monai(images: list[Path]) -> None:
    from monai.data import DataLoader, Dataset
    from monai.transforms import (
        Compose,
        LoadImage,
        NormalizeIntensity,
        Orientation,
        ResizeWithPadOrCrop,
        Spacing,
        ToTensor,
    )

    steps = Compose(
        [
            LoadImage(image_only=True, ensure_channel_first=True),
            Orientation("RAS"),
            Spacing((4.0, 4.0, 4.0)),
            ResizeWithPadOrCrop((40, 48, 40)),
            NormalizeIntensity(nonzero=True),
            ToTensor(track_meta=False),
        ]
    )
    for _ in DataLoader(Dataset([str(image) for image in images], steps), batch_size=16):
        pass


def _tlimb(images: list[Path]) -> tuple[float, float]:
    import shutil

    from tlimb.components.data.bio_image import BioImage
    from tlimb.protocol.options import Places
    from tlimb.store import Store
    from tlimb.training.data.views import Row
    from tlimb.training.data.volumes import Counter, open_volumes, recipe_digest

    shutil.rmtree("cache-store", ignore_errors=True)
    data = BioImage(spacing_mm=4.0, crop=[40, 48, 40])
    component = {"class": "tlimb.components.data.bio_image.BioImage", "revision": BioImage.revision}
    store = Store(Path("cache-store"))
    places = Places(Path("cache-store"), Path("private"), {"here": Path.cwd()}, (), ())
    rows = [
        Row(number, "", "here", str(image), hashlib.sha256(image.read_bytes()).hexdigest(), None, None, {})
        for number, image in enumerate(images)
    ]
    spent = []
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
    begin = time.process_time()
    volumes = open_volumes(rows, data, recipe_digest(data, component), store, places, Counter(), 0)
    for _ in range(21):
        for batch in order.split(16):
            volumes.take(batch)
        spent.append((time.process_time() - begin) / len(rows))
        begin = time.process_time()
    return spent[0], sum(spent[1:]) / len(spent[1:])


if __name__ == "__main__":
    main()
