"""Telling two views of one image from other images."""

from tlimb.components.contrastive import Contrastive


class SimCLR(Contrastive):
    """Tell two random views of one image from the views of the other images of the batch; needs no label.

    Large batches help, since the others of the batch are what it is told from. The history notes the spread of the
    embeddings, about 1 when they fill all directions and near 0 when they have collapsed and nothing is learned, and
    their effective rank, the number of directions that they lie in.

    Args:
        temperature: of the similarities; small ones look at the hardest others only.
        hidden: width of the projector's hidden layer.
        width: of the embedding in which views are compared.
        augment: random changes that make a view; by default affine, gamma, noise, blur and cutout, moderately.

    Source: Chen et al.: A simple framework for contrastive learning of visual representations, ICML 2020, equation 1.
    """

    revision = 2  # the history notes the effective rank, and a spread that small batches do not lessen
