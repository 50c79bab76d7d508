"""An environment of its own that sees tlimb and its packages, into which a package can be installed for real."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UV = os.environ.get("TLIMB_UV") or shutil.which("uv") or next(map(str, ROOT.glob(".tools/uv/bin/uv")), None)


def make(folder):
    """Make a virtual environment in a folder and give its folder of programs.

    `python -m pip` is uv there where Python has no pip of its own: what is tested is not the installer.
    """
    if UV is None:
        pytest.skip("uv is not here; `make setup` brings it")
    done = subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python*/site-packages")
    # Behind the environment's own packages come those of the tests, tlimb among them, its own `.pth` files included.
    (site / "behind.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    pip = site / "pip"
    pip.mkdir()
    (pip / "__init__.py").write_text("")
    (pip / "__main__.py").write_text(
        "import subprocess, sys\n"
        f"uv, word, *rest = {UV!r}, *sys.argv[1:]\n"
        "sys.exit(subprocess.call([uv, 'pip', word, '--python', sys.executable, '--offline', *rest]))\n"
    )
    tlimb = folder / "bin" / "tlimb"
    tlimb.write_text(f"#!{python}\nimport sys\nfrom tlimb.cli import main\nsys.exit(main())\n")
    tlimb.chmod(0o755)
    return folder / "bin"


def shell(programs, folder, *lines, code=0):
    """Run lines of a shell with these programs first, and hold the last one to its exit code."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TLIMB", "VIRTUAL"))}
    done = subprocess.run(
        ["sh", "-e", "-c", "\n".join(lines)],
        cwd=folder,
        env={**clean, "PATH": f"{programs}:{clean['PATH']}", "COLUMNS": "160", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said, said
    return said
