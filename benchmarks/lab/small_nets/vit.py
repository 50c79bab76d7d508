"""A vision transformer smaller than those that timm lists."""

from timm.models.vision_transformer import VisionTransformer

from tlimb.components.contracts import Encoder, Inputs


class SmallViT(Encoder):
    """A vision transformer for single pictures: patches of 16 pixels, width 192, 3 attention heads.

    Args:
        depth: number of blocks.
    """

    dims = (2,)

    def __init__(self, inputs: Inputs, *, depth: int = 6) -> None:
        super().__init__()
        self.network = VisionTransformer(
            img_size=tuple(inputs.shape),
            patch_size=16,
            in_chans=inputs.channels,
            num_classes=0,
            embed_dim=192,
            depth=depth,
            num_heads=3,
        )
        self.feature_dim = 192
        self.stages = ("patch_embed", *(f"blocks.{index}" for index in range(depth)), "norm")

    def forward(self, inputs):
        """Give features (batch, 192) float32 of images (batch, channel, rows, columns)."""
        return self.network(inputs)
