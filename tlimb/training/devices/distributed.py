"""The processes of one run on several devices, and the sums that they take together.

Each process has one device and the same manifest. The sums are those of torch's `distributed`, as under its wrapper
DDP, and Lightning's strategy of that name, which are not used for three reasons. The wrapper knows the layers that
are trained when it is made, so layers that thaw later would drift apart. It sorts its buckets anew after the first
step, so that a resumed run would sum in another order. And Lightning sends tensors from within its handler of SIGTERM
and then leaves with exit code 0. Here all gradients are summed as one vector whose layout never changes.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any

import torch
from attrs import define, field
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tlimb.problems import Problem, TlimbError
from tlimb.training.job import Job

PATIENCE = timedelta(minutes=30)
"""Longest wait for the other processes, which may be reading their images; then the run fails."""
END_S = 20.0
"""Seconds that a process may take to end after the last step."""


@define(eq=False)
class Team:
    """One of the processes that share the batches of a run.

    Attributes:
        rank: which of them this is; 0 writes what the run leaves.
        count: how many there are.
        port: where the first one listens.
        others: the other processes, in the first one only.
    """

    rank: int = 0
    count: int = 1
    port: int = 0
    others: list[subprocess.Popen[bytes]] = field(factory=list)

    @property
    def together(self) -> bool:
        """Say whether there are several, and they are connected."""
        return self.count > 1 and distributed.is_initialized()

    def total(self, value: Tensor) -> Tensor:
        """Give the sum of a tensor over all processes; each gets the same bits."""
        if not self.together:
            return value
        summed = value.detach().to(_device(), copy=True)
        distributed.all_reduce(summed)
        return summed.to(value.device)

    def agree(self, value: int) -> int:
        """Give the first process's number to all."""
        if not self.together:
            return value
        agreed = torch.tensor([value], dtype=torch.int64, device=_device())
        distributed.broadcast(agreed, 0)
        return int(agreed)

    def gradients(self, parts: Sequence[Tensor | None], like: Sequence[Tensor]) -> list[Tensor | None]:
        """Give the sums of gradients over all processes; None where no process has one.

        Args:
            parts: this process's gradients, None where it has none.
            like: tensors of their shapes.
        """
        if not self.together or not like:
            return list(parts)
        flags = like[0].new_tensor([float(part is not None) for part in parts], dtype=torch.float32)
        filled = [torch.zeros_like(one) if part is None else part for part, one in zip(parts, like, strict=True)]
        flat = self.total(torch.cat([flags, *(one.detach().float().flatten() for one in filled)]))
        known, *sums = flat.split([len(parts), *(one.numel() for one in like)])
        return [
            total.view_as(one).to(one.dtype) if there else None
            for total, one, there in zip(sums, like, known.tolist(), strict=True)
        ]

    def reduce(self, parameters: Iterable[nn.Parameter]) -> None:
        """Put the sums of the gradients of all processes into `.grad`."""
        if not self.together:
            return
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        for parameter, total in zip(trained, self.gradients([p.grad for p in trained], trained), strict=True):
            parameter.grad = total

    def average_statistics(self, module: nn.Module) -> None:
        """Average the running means and variances of batch normalisation; each process saw its part of the batch."""
        if not self.together:
            return
        layers = [one for one in module.modules() if isinstance(one, _BatchNorm) and one.training]
        running = [value for one in layers for value in (one.running_mean, one.running_var) if value is not None]
        if running:
            flat = self.total(torch.cat([value.flatten() for value in running])) / self.count
            for value, mean in zip(running, flat.split([value.numel() for value in running]), strict=True):
                value.copy_(mean.view_as(value))

    def connect(self, device: torch.device) -> None:
        """Wait for the other processes; without a port there are none, as in a rehearsal on the part of one device."""
        if self.count > 1 and self.port:
            distributed.init_process_group(
                "nccl" if device.type == "cuda" else "gloo",
                init_method=f"tcp://127.0.0.1:{self.port}",
                rank=self.rank,
                world_size=self.count,
                timeout=PATIENCE,
            )

    def leave(self) -> None:
        """Go on alone after the last step, when all processes have the same weights; the others end."""
        if distributed.is_initialized() and self.count > 1:
            distributed.destroy_process_group()
        self.count = 1
        for process in self.others:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_S)
        self.stop()

    def stop(self) -> None:
        """End the other processes, whatever they are doing."""
        for process in self.others:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.others = []

    def lost(self) -> TlimbError | None:
        """Give what ended another process, where one has; the connection to it breaks a moment before it is gone."""
        end = time.monotonic() + 2.0
        while self.others and time.monotonic() < end:
            for process in self.others:
                if code := process.poll():
                    problem = Problem("device-lost", _death(code), help="its last words are in the log of the run")
                    return TlimbError(problem, 128 - code if code < 0 else code)
            time.sleep(0.05)
        return None


def _death(code: int) -> str:
    if code == -9:
        return "the process of another device was killed; most often because memory ran out"
    return f"the process of another device ended with {'signal' if code < 0 else 'exit code'} {abs(code)}"


def _device() -> torch.device:
    """Give a device whose tensors the process group can send."""
    on_gpu = distributed.get_backend() == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")


def assemble(job: Job, devices: int) -> Team:
    """Start a process for each device but the first, on the same manifest, and give this one's place among them."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        team = Team(0, devices, free.getsockname()[1])
    for rank in range(1, devices):
        task = {
            "manifest": job.manifest.to_json(),
            "places": job.places.to_json(),
            "options": job.options.to_json(),
            "team": {"rank": rank, "count": devices, "port": team.port},
        }
        words = [sys.executable, "-P", "-m", "tlimb.training.devices.rank_process", str(os.getpid())]
        process = subprocess.Popen(words, stdin=subprocess.PIPE)
        team.others.append(process)
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(json.dumps(task).encode())
    return team


def together(team: Team | None, device: torch.device, train: Callable[[], Any]) -> None:
    """Connect and train, or only train where there is one device.

    Where the connection breaks because another process has ended, what ended that is told.

    Raises:
        TlimbError: another process has ended, with its exit code.
    """
    if team is None:
        train()
        return
    try:
        team.connect(device)
        train()
        team.leave()
    except RuntimeError as error:
        lost = team.lost()
        if lost is None:
            raise
        raise lost from error
    finally:
        team.stop()
        if team.count > 1 and distributed.is_initialized():
            distributed.destroy_process_group()
