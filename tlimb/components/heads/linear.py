"""A linear layer."""

from typing import Annotated

from torch import Tensor, nn

from tlimb.components.contracts import Head


class LinearHead(Head):
    """One linear layer.

    Args:
        dropout: probability of dropping a feature before it, 0 to 1.
    """

    def __init__(
        self, feature_dim: int, outputs: int, *, dropout: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.0
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(feature_dim, outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Give (batch, outputs)."""
        return self.linear(self.dropout(features))
