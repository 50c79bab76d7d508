"""What besides the manifest decides bits: recorded in every result, never part of `work`."""

import json
import os
from typing import Any

import torch

from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.store.environments import versions

DECODING = ("python", "machine", "torch", "numpy", "scipy", "nibabel", "pillow", "monai", "cpu", "onednn_isa")
PRECISION = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def fingerprint(device: torch.device) -> dict[str, Any]:
    """Give the environment of a run on a device; equal environments give equal bits for equal work."""
    found = dict(versions())
    found["cpu"] = torch.backends.cpu.get_cpu_capability()
    found["onednn_isa"] = os.environ.get("ONEDNN_MAX_CPU_ISA", "default")
    found["device"] = device.type
    if device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(device)
        found["cuda"] = torch.version.cuda
        found["cudnn"] = torch.backends.cudnn.version()
    return found


def every() -> dict[str, dict[str, Any]]:
    """Give the environments of all devices that a run may have here, by device."""
    found = {"cpu": fingerprint(torch.device("cpu"))}
    if torch.cuda.is_available():
        found["cuda"] = fingerprint(torch.device("cuda", 0))
    return found


def decoding() -> dict[str, Any]:
    """Give the part of the environment that decides the bits of a decoded volume."""
    found = fingerprint(torch.device("cpu"))
    return {name: found[name] for name in DECODING}


def choose_device(wanted: str, number: int = 0, count: int = 1) -> torch.device:
    """Give the device for `any`, `cpu` or `cuda`.

    Args:
        wanted: its kind.
        number: which of the devices of a run, from 0.
        count: devices of the run.

    Raises:
        TlimbError: CUDA is asked for and there is none, or too few GPUs for the run.
    """
    if wanted == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        if count > torch.cuda.device_count():
            there = torch.cuda.device_count()
            problem = Problem("no-gpu", f"{count} devices are asked for and there are {there} GPUs here")
            raise TlimbError(problem, ExitCode.BACKEND_MISSING)
        if count > 1:
            torch.cuda.set_device(number)
        return torch.device("cuda", number)
    if wanted == "cuda":
        problem = Problem("no-gpu", "cuda is asked for and there is none here")
        raise TlimbError(problem, ExitCode.BACKEND_MISSING)
    return torch.device("cpu")


def settle(device: torch.device, threads: int, deterministic: bool | str | None) -> None:
    """Set everything global that decides bits, before the first operation.

    Args:
        device: where the run computes.
        threads: CPU threads of torch.
        deterministic: `true`, `best_effort`, `strict`, or None for the device's default (true on the CPU,
            best_effort on CUDA, where the backward of 3D pooling has no deterministic kernel).
    """
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    wanted = deterministic if deterministic is not None else (True if device.type == "cpu" else "best_effort")
    torch.use_deterministic_algorithms(True, warn_only=wanted == "best_effort")


if __name__ == "__main__":
    print(json.dumps(every()))
