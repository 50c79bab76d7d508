"""Manifests that tests write by hand are completed by those of the room of manifests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "manifest"))
