"""The vision transformer, for volumes."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from torch import Tensor

from tlimb.components.attention import Block, Patches, Transformer, check_heads, patch_grid
from tlimb.components.contracts import Encoder, Inputs, Positions


class ViT3D(Encoder):
    """A vision transformer (ViT) on patches of a volume, with a learned embedding of their positions.

    Tensor names and function are those of MONAI's ViT with convolution and learned positions, so public brain weights
    fit; the normalisation of a cross-attention that MONAI writes into every block, without using it, has no place
    here. MONAI's classifier without a class token takes the first patch; here the features then are the mean over
    patches.

    Args:
        patch_size: edge length of a patch in voxels; must divide each side of the images.
        width: channels of a token.
        depth: number of transformer blocks.
        heads: attention heads of each block; must divide the width.
        hidden: width between the two layers of each block's perceptron; none for 4 times the width.
        class_token: the features are those of a learned token beside the patches; otherwise the mean over patches.
        qkv_bias: queries, keys and values have a bias.
        dropout: probability of dropping a channel of the embedding, an attention weight, and a channel after each
            linear layer of a block but the first, 0 to 1.

    Source: Dosovitskiy et al.: An image is worth 16x16 words: transformers for image recognition at scale, ICLR 2021
        (section 3.1; the defaults are ViT-Base). Initial weights: normal of sd 0.02 as in its published code, where
        MONAI keeps torch's.
    """

    dims = (3,)
    aka: ClassVar[Mapping[str, str]] = {
        "vit": "vit3d: {patch_size: 16}",
        "vit_base": "vit3d",
        "vit_small": "vit3d: {width: 384, heads: 6}",
        "vit_tiny": "vit3d: {width: 192, heads: 3}",
    }
    example: ClassVar[Mapping[str, Any]] = {"patch_size": 8, "width": 24, "depth": 2, "heads": 3}

    def __init__(
        self,
        inputs: Inputs,
        *,
        patch_size: Annotated[int, {"minimum": 1}] = 16,
        width: Annotated[int, {"minimum": 1, "multiple_of": "heads"}] = 768,
        depth: Annotated[int, {"minimum": 1}] = 12,
        heads: Annotated[int, {"minimum": 1}] = 12,
        hidden: Annotated[int | None, {"minimum": 1}] = None,
        class_token: bool = True,
        qkv_bias: bool = False,
        dropout: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.0,
    ) -> None:
        super().__init__()
        if len(inputs.shape) != 3:
            raise ValueError(f"vit3d needs volumes, the images have {len(inputs.shape)} dimensions")
        check_heads("vit3d", width, heads)
        grid = patch_grid(inputs.shape, patch_size)
        blocks = [Block(width, hidden or 4 * width, heads, dropout, bias=qkv_bias) for _ in range(depth)]
        embedding = Patches(inputs.channels, grid, patch_size, width, dropout)
        self.network = Transformer(embedding, blocks, width, class_token=class_token)
        self.positions = {"patch_embedding.position_embeddings": Positions(grid)}
        self.feature_dim = width
        self.stages = ("patch_embedding", *(f"blocks.{index}" for index in range(depth)), "norm")

    def forward(self, inputs: Tensor) -> Tensor:
        """Give features (batch, feature_dim) float32 of volumes (batch, channel, x, y, z)."""
        return self.network(inputs)

    def channel_axis(self) -> int:
        """Give the last axis, behind the tokens."""
        return -1
