"""The weights of the heads, as they are written."""

from tlimb.components.contracts import Weighting


class Fixed(Weighting):
    """Add the losses of the heads, each times the `weight` of its head; the same as no weighting."""

    divisible = True
