"""What optimizers and schedules must do."""

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def check_optimizer(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check that an optimizer moves what it is given, honours a group's own rate, and resumes to the bit."""

    def run(first: int, second: int) -> list[Tensor]:
        torch.manual_seed(1)
        weights = [nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))]
        groups: list[dict[str, Any]] = [{"params": [weights[0]]}, {"params": [weights[1]], "lr": 0.0}]
        optimizer = make().build(groups)
        for count in (first, second):
            state = copy.deepcopy(optimizer.state_dict())
            optimizer = make().build([{"params": [weights[0]]}, {"params": [weights[1]], "lr": 0.0}])
            optimizer.load_state_dict(state)
            for _ in range(count):
                for index, weight in enumerate(weights):
                    weight.grad = torch.arange(3.0) + index + 1
                optimizer.step()
        return [weight.detach() for weight in weights]

    moved, rested = run(2, 3)
    assert not torch.equal(moved, torch.ones(3)), "nothing moved"
    assert torch.equal(rested, torch.ones(3)), "a group's own rate of 0 was not honoured"
    assert torch.equal(moved, run(5, 0)[0]), "resumed is not uninterrupted"


def check_scheduler(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check that a schedule is finite and positive or 0, scales each group alike, and resumes."""
    for steps in (1, 2, 7):
        groups: list[dict[str, Any]] = [{"params": [nn.Parameter(torch.ones(1))], "lr": lr} for lr in (0.1, 0.2)]
        optimizer = torch.optim.SGD(groups, lr=0.1)
        schedule = make().build(optimizer, steps)
        rates = []
        for _ in range(steps):
            rates.append([group["lr"] for group in optimizer.param_groups])
            optimizer.step()
            schedule.step()
        assert np.isfinite(rates).all()
        assert min(min(pair) for pair in rates) >= 0
        assert all(abs(second - 2 * first) < 1e-12 for first, second in rates), "groups are not scaled alike"
        json.dumps({key: value for key, value in schedule.state_dict().items() if key != "lr_lambdas"})
