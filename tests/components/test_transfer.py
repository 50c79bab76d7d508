"""Every tensor of an encoder is accounted for, and nothing is loaded partly in silence."""

import json

import pytest
import torch

from tlimb.components.architectures.connectivity import Connectivity
from tlimb.components.architectures.sfcn import SFCN
from tlimb.components.architectures.timm import Timm
from tlimb.components.contracts import Inputs
from tlimb.components.transfer import tensors_digest, transfer, transferred
from tlimb.problems import TlimbError

STEM = "feature_extractor.conv_0.0.weight"


def make(seed, channels=1, widths=(3, 4, 5)):
    torch.manual_seed(seed)
    return SFCN(Inputs(channels, (8, 8, 8)), channels=widths, dropout=0.0)


def test_all_tensors_are_copied_and_counted():
    parent, child = make(0), make(1)
    report = transfer(child, parent.network.state_dict(), {})
    assert set(report.matched) == set(parent.network.state_dict())
    assert (report.adapted, report.missing, report.mismatched, report.unexpected) == ((), (), (), ())
    assert report.before != report.after == tensors_digest(parent.network.state_dict())
    assert report.changed > 0
    json.dumps(report.to_json())


def test_a_transfer_of_equal_weights_says_that_nothing_changed():
    parent = make(0)
    report = transfer(make(0), parent.network.state_dict(), {})
    assert (report.changed, report.before) == (0, report.after)


def test_the_transferred_tensors_are_clones():
    child = make(1)
    kept = transferred(child, transfer(child, make(0).network.state_dict()))
    with torch.no_grad():
        for parameter in child.network.parameters():
            parameter.add_(1)
    assert not torch.equal(kept[STEM], child.network.state_dict()[STEM])


@pytest.mark.parametrize("prefix", ["module.", "swinViT.", "encoder.network."])
def test_names_of_another_layout_load_nothing_and_that_is_an_error(prefix):
    child = make(1)
    before = tensors_digest(child.network.state_dict())
    foreign = {prefix + name: tensor for name, tensor in make(0).network.state_dict().items()}
    with pytest.raises(TlimbError, match="0 of"):
        transfer(child, foreign, {})
    with pytest.raises(TlimbError, match="0 of"):
        transfer(child, foreign, {"missing": ["*"]})
    assert tensors_digest(child.network.state_dict()) == before


def test_an_absent_tensor_is_refused_unless_the_spec_names_it():
    tensors = dict(make(0).network.state_dict())
    del tensors["feature_extractor.conv_2.0.bias"]
    with pytest.raises(TlimbError) as caught:
        transfer(make(1), tensors, {"missing": ["feature_extractor.conv_1.*"]})
    assert "feature_extractor.conv_2.0.bias" in caught.value.problems[0].note[0]
    report = transfer(make(1), tensors, {"missing": ["feature_extractor.conv_2.*"]})
    assert report.missing == ("feature_extractor.conv_2.0.bias",)


def test_tensors_only_the_parent_has_are_reported():
    tensors = {**make(0).network.state_dict(), "fc.weight": torch.ones(2, 2)}
    assert transfer(make(1), tensors, {}).unexpected == ("fc.weight",)


def test_another_shape_is_refused_with_both_shapes():
    with pytest.raises(TlimbError) as caught:
        transfer(make(1, widths=(3, 6, 5)), make(0).network.state_dict(), {})
    assert any(
        "4 x 3 x 3 x 3 x 3 in the parent, 6 x 3 x 3 x 3 x 3 here" in note for note in caught.value.problems[0].note
    )


def test_a_stem_for_another_number_of_channels_needs_to_be_asked_for():
    with pytest.raises(TlimbError) as caught:
        transfer(make(1, channels=1), make(0, channels=3).network.state_dict(), {})
    assert "stem" in caught.value.problems[0].help[0]


def test_a_summed_stem_answers_a_grey_image_as_the_parent_answered_it_in_all_channels():
    parent, child = make(0, channels=3).eval(), make(1, channels=1).eval()
    report = transfer(child, parent.network.state_dict(), {"stem": "sum"})
    assert report.adapted == (STEM,)
    image = torch.randn(2, 1, 8, 8, 8)
    assert torch.allclose(child(image), parent(image.expand(-1, 3, -1, -1, -1)), atol=1e-6)
    wider = make(2, channels=2).eval()
    transfer(wider, child.network.state_dict(), {"stem": "sum"})
    assert torch.allclose(wider(image.expand(-1, 2, -1, -1, -1)), child(image), atol=1e-6)


@pytest.mark.parametrize("model", ["resnet10t", "vit_tiny_patch16_224"])
def test_a_stem_of_three_colours_is_summed_for_slices_too_and_the_report_says_so(model):
    colours, grey = (Timm(Inputs(channels, (32, 32)), model=model).eval() for channels in (3, 1))
    tensors = colours.network.state_dict()
    report = transfer(grey, tensors, {"stem": "sum"})
    (stem,) = report.adapted
    assert "3 channels for 1" in str(report.to_json())
    assert torch.equal(grey.network.state_dict()[stem], tensors[stem].sum(dim=1, keepdim=True))
    image = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        assert torch.allclose(grey(image), colours(image.expand(-1, 3, -1, -1)), atol=1e-4)


def test_a_mean_stem_is_the_mean_over_channels_and_a_new_one_stays_random():
    tensors = make(0, channels=3).network.state_dict()
    child = make(1)
    transfer(child, tensors, {"stem": "mean"})
    assert torch.allclose(child.network.state_dict()[STEM], tensors[STEM].mean(dim=1, keepdim=True))
    fresh = make(1)
    own = fresh.network.state_dict()[STEM].clone()
    report = transfer(fresh, tensors, {"stem": "new"})
    assert report.mismatched == (STEM,)
    assert torch.equal(fresh.network.state_dict()[STEM], own)


def test_an_encoder_without_weights_has_nothing_to_find():
    encoders = [Connectivity(Inputs(3, (20,))) for _ in range(2)]
    report = transfer(encoders[0], encoders[1].network.state_dict())
    assert (report.matched, report.missing, report.changed) == ((), (), 0)
