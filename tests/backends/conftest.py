"""What tests of backends share with each other, and with those of plans and of whole studies, has a bare name."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in ("plan", "acceptance", "manifest"))]
