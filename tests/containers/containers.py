"""A podman of the tests' own: images and settings in one folder, a base made of Debian's packages, tlimb's image on it.

A registry of images is not needed. What runs is the real podman with a real runtime: containers see the packages of the
image, and of this machine what is mounted and nothing else.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "localhost/tlimb:test"
SUITE = "bookworm"
PACKAGES = ("python3", "python3-venv", "python-is-python3", "ca-certificates", "procps")
SETTINGS = """\
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
netns = "host"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "runc"
"""
"""For machines on which limits cannot be raised, networks cannot be made, and control groups are of both versions."""
TRUST = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Podman:
    """podman with images in a folder that is kept between runs of the tests.

    Attributes:
        folder: images, layers and settings.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        storage = f'[storage]\ndriver = "overlay"\ngraphroot = "{self.folder}/images"\nrunroot = "{self.folder}/run"\n'
        (self.folder / "storage.conf").write_text(storage)
        (self.folder / "containers.conf").write_text(SETTINGS)
        (self.folder / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')

    @property
    def variables(self):
        """Give the environment variables by which any podman uses this folder, one that Nextflow starts too."""
        return {
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
        }

    def __call__(self, *words, code=0, cwd=ROOT):
        """Run podman, hold it to its exit code, and give what it said."""
        done = subprocess.run(
            ["podman", *map(str, words)],
            cwd=cwd,
            env={**os.environ, **self.variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert code is None or done.returncode == code, (
            f"podman {words[0]} ended with {done.returncode}:\n{said[-6000:]}"
        )
        return said

    def base(self):
        """Give a base image: the one that TLIMB_BASE names, else one of Debian's packages, made here once."""
        if "TLIMB_BASE" in os.environ:
            return os.environ["TLIMB_BASE"]
        mark = hashlib.sha256(" ".join((SUITE, *PACKAGES)).encode()).hexdigest()[:12]
        name = f"localhost/tlimb-base:{SUITE}-{mark}"
        if f"{SUITE}-{mark}" not in self("images", "--format", "{{.Tag}}").split():
            archive = self.folder / "base.tar"
            made = subprocess.run(
                ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(archive)],
                capture_output=True,
                text=True,
                check=False,
            )
            assert made.returncode == 0, made.stderr[-3000:]
            self("import", "--quiet", archive, name)
            archive.unlink()
        return name

    def build(self, file, name, *words):
        """Build an image of this checkout; layers of an earlier build are used again."""
        words = [*words, *self._trusted(), "--network", "host", "--isolation", "oci", "--file", file, "--tag", name]
        return self("build", "--quiet", "--build-arg", f"BASE={self.base()}", *words, ".")

    def _trusted(self):
        """Give what lets pip in a build trust the registry that this machine trusts: its own certificates."""
        bundle = next((os.environ[name] for name in TRUST if os.environ.get(name)), None)
        if bundle is None:
            return []
        settings = self.folder / "pip.conf"
        settings.write_text("[global]\ncert = /etc/ssl/tlimb-build.crt\n")
        return ["--volume", f"{bundle}:/etc/ssl/tlimb-build.crt:ro", "--volume", f"{settings}:/etc/pip.conf:ro"]


def start_podman():
    """Give a podman that can start containers, or skip and say why."""
    lacking = [tool for tool in ("podman", "runc", "mmdebstrap") if shutil.which(tool) is None]
    if lacking:
        pytest.skip(f"{', '.join(lacking)} is missing: make podman")
    made = Podman(os.environ["TLIMB_CONTAINERS"])
    base = made.base()
    said = made("run", "--rm", base, "python", "--version", code=None)
    if not re.search(r"^Python 3", said, re.MULTILINE):
        pytest.skip(f"podman starts no containers here: {said[-500:]}")
    return made


def build_wheel():
    """Put the wheel of this checkout into dist/, where Containerfile and definition look for it."""
    uv = os.environ.get("TLIMB_UV") or shutil.which("uv")
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    words = [uv, "build", "--quiet", "--wheel", "--python", sys.executable, "--out-dir", "dist", "."]
    subprocess.run(words, cwd=ROOT, check=True)
