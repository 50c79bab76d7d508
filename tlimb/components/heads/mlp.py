"""Two linear layers."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from torch import Tensor, nn

from tlimb.components.contracts import Head


class MLPHead(Head):
    """Two linear layers with a ReLU between them (a multilayer perceptron).

    Args:
        hidden: width between the layers.
        dropout: probability of dropping a hidden unit, 0 to 1.
    """

    example: ClassVar[Mapping[str, Any]] = {"hidden": 8}

    def __init__(
        self,
        feature_dim: int,
        outputs: int,
        *,
        hidden: Annotated[int, {"minimum": 1}],
        dropout: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.0,
    ) -> None:
        super().__init__()
        self.hidden = nn.Linear(feature_dim, hidden)
        self.act = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden, outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Give (batch, outputs)."""
        return self.linear(self.dropout(self.act(self.hidden(features))))
