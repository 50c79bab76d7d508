"""What does not fit is told at its place in the spec, with what to do."""

import hashlib

import pytest
import torch
from safetensors.torch import save_file

from tests.dryrun.conftest import LINES, at, told
from tlimb.components.architectures.sfcn import SFCN
from tlimb.components.contracts import Inputs
from tlimb.problems import Severity

VOLUMES = "  data: {bio_image: {spacing_mm: 8, crop: [8, 8, 8]}}\n"
SFCN_LINE = "  architecture: {sfcn: {channels: [2, 4]}}\n"


def only(found, code):
    (problem,) = told(found, code)
    assert [one for one in found.problems if one.severity is Severity.ERROR] == [problem] or (
        problem.severity is not Severity.ERROR
    )
    return problem


def related(problem):
    return [(one.place.span.line - LINES, one.place.span.column, one.message) for one in problem.related]


# -- what cannot work with a network --


def test_a_layer_that_delta_compares_and_a_network_has_not_is_told_at_the_auxiliary(study):
    found = study.check(
        VOLUMES + "  architecture: {resnet3d: {depth: 10, filters: 2}}\nstages:\n  pretrain: {}\n"
        "  good: {from: pretrain, auxiliary: {delta: {layers: [layer3]}}}\n"
        "  finetune: {from: pretrain, auxiliary: {delta: {layers: [layer9]}}}\n"
    )

    problem = only(found, "bad-option")
    assert problem.message == "delta: the encoder has no layer 'layer9'; write one such as layer4"
    assert at(problem) == (6, 41)


@pytest.mark.parametrize(("model", "fits"), [("levit_128s", False), ("vit_tiny_patch16_224", True)])
def test_delta_on_a_network_that_begins_with_maps_and_ends_with_tokens_is_told_at_the_auxiliary(study, model, fits):
    found = study.check(
        "  data: {slices_2d: {size: [224, 224]}}\n" + f"  architecture: {{timm: {{model: {model}}}}}\n"
        "stages:\n  pretrain: {}\n  finetune: {from: pretrain, auxiliary: delta}\n"
    )

    if fits:
        assert told(found, "bad-option") == []
        return
    problem = only(found, "bad-option")
    assert "nobody knows which axis of (1, " in problem.message
    assert at(problem) == (5, 41)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_new_statistics_of_a_network_without_batch_normalisation_are_told_at_the_scenario(study, precision):
    # Mixed precision is tried in another way, in which a copy of a network would end the process.
    trainer = f"trainer: {{epochs: 1, batch_size: 2, precision: {precision}}}"
    found = study.check(
        VOLUMES + "  architecture: {vit3d: {patch_size: 4, width: 8, depth: 1, heads: 2}}\nstages:\n"
        f"  pretrain: {{{trainer}}}\n  adapt: {{from: pretrain, scenario: adabn, {trainer}}}\n"
    )

    problem = only(found, "bad-option")
    assert "needs an encoder with batch normalisation" in problem.message
    assert at(problem) == (5, 37)


# -- layers to freeze up to --

RESNET = VOLUMES + "  architecture: {resnet3d: {depth: 10, filters: 2}}\nstages:\n  pretrain: {}\n"


@pytest.mark.parametrize(
    ("rest", "place", "message", "help_"),
    [
        (
            "  probe: {from: pretrain, freeze: {up_to: layer5}}\n",
            (5, 43),
            "no layer `layer5` in `resnet3d depth=10 filters=2`",
            "did you mean `layer4`?",
        ),
        (
            "  probe: {from: pretrain, freeze: {up_to: {compare: [none, layer2, bn2]}}}\n",
            (5, 68),
            "`bn2` is not unique in `resnet3d depth=10 filters=2`: 4 layers end so",
            "write the full name, such as layer1.0.bn2, layer2.0.bn2, layer3.0.bn2",
        ),
        (
            "  probe: {from: pretrain, freeze: {up_to: head.linear}}\n",
            (5, 43),
            "`head.linear` is in the head, which is always trained",
            "write `all` to freeze the whole encoder",
        ),
        (
            "  probe: {from: pretrain, freeze: {up_to: layer4_dropout}}\n",
            (5, 43),
            "`layer4_dropout` comes after the last weights of `resnet3d depth=10 filters=2`: "
            "nothing of it would be trained",
            "write `all` to train the heads only",
        ),
    ],
)
def test_a_layer_that_cannot_be_frozen_up_to_is_told_where_it_is_written(study, rest, place, message, help_):
    problem = only(study.check(RESNET + rest), "freeze-layer")
    assert (at(problem), problem.message, problem.help[0]) == (place, message, help_)
    assert related(problem) == [(2, 17, "this network")]


def test_a_layer_in_a_param_is_told_in_the_params(study):
    rest = (
        RESNET
        + "  probe: {from: pretrain, freeze: {up_to: {param: cut}}}\nparams: {cut: {compare: [layer2, layer7]}}\n"
    )
    problem = only(study.check(rest), "freeze-layer")
    assert at(problem) == (6, 34)
    assert related(problem)[0] == (5, 43, "used here")


def test_one_bad_layer_in_two_stages_is_told_twice_and_the_good_stages_are_built(study):
    rest = "  one: {from: pretrain, freeze: {up_to: layer5}}\n  two: {from: pretrain, freeze: {up_to: layer5}}\n"
    found = study.check(RESNET + rest)
    assert [at(problem) for problem in told(found, "freeze-layer")] == [(5, 41), (6, 41)]
    assert [network.stage for network in found.networks] == ["pretrain"]


# -- shapes --


def test_a_network_for_volumes_does_not_take_slices(study):
    found = study.check("  data: {slices_2d: {size: [8, 8]}}\n" + SFCN_LINE + "stages: {train: {}}\n")
    problem = only(found, "shape")
    assert at(problem) == (2, 17)
    assert problem.message == "`sfcn channels=2+4` takes 3D images, these have 2 dimensions"
    assert related(problem) == [(1, 9, "gives 8 x 8")]


def test_a_network_for_pictures_does_not_take_volumes(study):
    problem = only(study.check(VOLUMES + "  architecture: {timm: {model: resnet10t}}\nstages: {train: {}}\n"), "shape")
    assert at(problem) == (2, 17)
    assert problem.message == "`timm model=resnet10t` takes 2D images, these have 3 dimensions"
    assert "slices_2d" in problem.help[0]


def test_an_image_that_is_too_small_for_the_poolings_is_told_with_a_size_that_fits(study):
    rest = (
        "  data: {bio_image: {spacing_mm: 8, crop: [8, 20, 8]}}\n"
        "  architecture: {my_lab.nets.Pools: {}}\nstages: {train: {}}\n"
    )
    problem = only(study.check(rest, "my_lab"), "shape")
    assert at(problem) == (2, 17)
    assert problem.message == (
        "8 x 20 x 8 is too small for `my_lab.nets.Pools`: 1 x 2 x 1 is left after 3 poolings or strides"
    )
    assert problem.help == ("a size that fits: 32 x 32 x 32",)
    assert "`pool3`" in problem.note[0]
    assert related(problem) == [(1, 9, "gives 8 x 20 x 8")]
    fits = rest.replace("[8, 20, 8]", "[32, 32, 32]")
    assert not told(study.check(fits, "my_lab"), "shape")


@pytest.mark.parametrize(("size", "unread"), [("[40, 32]", "8 of 40"), ("[32, 33]", "1 of 33"), ("[32, 48]", None)])
def test_patches_that_leave_a_rim_unread_are_told(study, size, unread):
    rest = f"  data: {{slices_2d: {{size: {size}}}}}\n  architecture: {{timm: {{model: vit_tiny_patch16_224}}}}\n"
    problems = told(study.check(rest + "stages: {train: {}}\n"), "shape")
    if unread is None:
        assert not problems
    else:
        (problem,) = problems
        name = "`timm model=vit_tiny_patch16_224`"
        assert problem.message == f"patch 16 does not divide {unread[-2:]}: {unread} are never read by {name}"
        assert at(problem) == (2, 17)
        assert problem.help[0].startswith("sizes that fit: 32 x 32, ")


def test_a_model_that_is_not_there_is_told_without_a_word_on_sizes(study):
    rest = "  data: {slices_2d: {size: [32, 32]}}\n  architecture: {timm: {model: resnet19}}\nstages: {train: {}}\n"
    problem = only(study.check(rest), "bad-option")
    assert at(problem) == (2, 17)
    assert problem.message.startswith("`timm model=resnet19` cannot be made: timm has no model 'resnet19'")


def test_features_of_another_width_than_promised_are_told(study):
    rest = VOLUMES + "  architecture: {my_lab.nets.Lies: {}}\nstages: {train: {}}\n"
    problem = only(study.check(rest, "my_lab"), "shape")
    assert "its feature_dim promises" in problem.message


def test_images_of_several_sizes_are_told_at_the_data(study):
    rest = "  data: {slices_2d: {}}\n  architecture: {timm: {model: resnet10t}}\nstages: {train: {}}\n"
    assert not told(study.check(rest), "shape")
    for number in range(4):
        (study.folder / f"p{number}.nii.gz").unlink()
    study.add(range(4), (16, 14, 12))
    problem = told(study.check(rest), "shape")[0]
    assert at(problem) == (1, 9)
    assert problem.message == "images of 2 sizes come out of it for `data`, part `train`: 14 x 12, 14 x 16"


def test_images_as_they_are_must_have_one_size_and_their_centres_do(study):
    for number in range(4):
        (study.folder / f"p{number}.nii.gz").unlink()
    study.add(range(4), (16, 14, 12))
    rest = "  data: DATA\n" + SFCN_LINE + "stages: {train: {}}\n"
    problem = told(study.check(rest.replace("DATA", "base")), "shape")[0]
    assert at(problem) == (1, 9)
    assert problem.message == "images of 2 sizes come out of it for `data`, part `train`: 12 x 14 x 12, 16 x 14 x 12"
    assert "crop_center" in problem.help[0]
    assert not told(study.check(rest.replace("DATA", "{crop_center: {size: [12, 12, 12]}}")), "shape")


def test_a_batch_of_one_that_normalisation_cannot_use_is_told_at_the_batch_size(study):
    rest = "  data: {bio_image: {spacing_mm: 8, crop: [2, 2, 2]}}\n" + SFCN_LINE
    problem = only(study.check(rest + "stages: {train: {trainer: {batch_size: 1}}}\n"), "shape")
    assert at(problem) == (3, 40)
    assert "a single value per channel" in problem.message


# -- weights --

VIT = "  data: {slices_2d: {size: [32, 32]}}\n  architecture: {timm: {model: vit_tiny_patch16_224}}\n"


def test_weights_of_a_parent_for_another_size_are_told_at_from_with_both_data_lines(study):
    rest = VIT + "stages:\n  pretrain: {}\n  finetune: {from: pretrain, data: {slices_2d: {size: [48, 48]}}}\n"
    problem = only(study.check(rest), "weights-mismatch")
    assert at(problem) == (5, 20)
    assert problem.message == "149 of 150 encoder tensors match the parent's"
    assert problem.note == ("pos_embed: 1 x 5 x 192 in the parent, 1 x 10 x 192 here",)
    assert problem.help == ("adapt: {position: interpolate} fits the position embeddings to the size of these images",)
    assert related(problem) == [(5, 36, "gives 48 x 48"), (1, 9, "the parent had 32 x 32")]


def test_what_the_spec_adapts_is_no_mismatch_and_is_counted(study):
    rest = VIT + (
        "stages:\n  pretrain: {}\n"
        "  finetune: {from: pretrain, adapt: {position: new}, data: {slices_2d: {size: [48, 48]}}}\n"
    )
    found = study.check(rest)
    assert not told(found, "weights-mismatch")
    assert dict(found.networks[1].facts.transfer) == {"matched": 149, "adapted": 0, "missing": 0, "mismatched": 1}


KEPT = VOLUMES + "  architecture: {resnet3d: {depth: 10, filters: 2}}\nstages:\n  probe: {}\n"


def test_a_kept_head_of_other_layers_is_told_at_adapt(study):
    rest = KEPT + "  finetune: {from: probe, head: {mlp: {hidden: 8}}, adapt: {heads: keep}}\n"
    problem = only(study.check(rest), "heads-differ")
    assert at(problem)[0] == 5
    assert "cannot be kept: its layers are not the parent's" in problem.message
    assert any("nothing in the parent" in line or "nothing here" in line for line in problem.note)


def test_a_kept_head_of_the_same_layers_is_fine(study):
    assert not told(study.check(KEPT + "  finetune: {from: probe, adapt: {heads: keep}}\n"), "heads-differ")


def weights(study, tensors, name, more=""):
    path = study.folder / name
    if name.endswith(".safetensors"):
        save_file(tensors, path)
    else:
        torch.save(tensors, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return (
        VOLUMES + SFCN_LINE + "stages: {finetune: {from: old}}\n"
        f"pretrained: {{old: {{file: {name}, digest: 'sha256:{digest}', cohorts: [UKB]{more}}}}}\n"
    )


def tensors(widths=(2, 4)):
    return dict(SFCN(Inputs(1, (8, 8, 8)), channels=widths).network.state_dict())


@pytest.mark.parametrize("name", ["old.safetensors", "old.pt"])
def test_weights_of_a_file_that_fit_are_counted(study, name):
    found = study.check(weights(study, tensors(), name))
    assert not [problem for problem in found.problems if problem.severity is Severity.ERROR]
    assert dict(found.networks[0].facts.transfer)["matched"] == len(tensors())


@pytest.mark.parametrize("name", ["old.safetensors", "old.pt"])
def test_weights_of_a_file_that_do_not_fit_are_told_at_from(study, name):
    problem = only(study.check(weights(study, tensors((2, 8)), name)), "weights-mismatch")
    assert at(problem) == (3, 27)
    assert problem.message.startswith("8 of 14 encoder tensors match")


def test_a_file_that_holds_more_than_tensors_is_told(study):
    problem = only(study.check(weights(study, {"state_dict": tensors(), "epoch": 3}, "old.pt")), "weights-mismatch")
    assert problem.message == "the weights are no plain state dict: not only tensors are in it but state_dict, epoch"


def test_weights_of_a_layout_are_looked_at_under_their_names_here(study):
    handed = {"state_dict": {f"module.{name}": one for name, one in tensors().items()}, "epoch": 3}
    found = study.check(weights(study, handed, "old.pt", ", layout: plain"))
    assert dict(found.networks[0].facts.transfer)["matched"] == len(tensors())
    handed["state_dict"]["module.feature_extractor.conv_0.0.weight"] = torch.ones(2, 1, 5, 5, 5)
    problem = only(study.check(weights(study, handed, "old.pt", ", layout: plain")), "weights-mismatch")
    assert problem.message.startswith("13 of 14 encoder tensors match")
    with_code = {"state_dict": tensors(), "callback": print}
    problem = only(study.check(weights(study, with_code, "old.pt", ", layout: plain")), "weights-mismatch")
    assert problem.message.endswith("it holds an object of print, which would have to be run")


def test_weights_of_a_network_with_more_inside_its_layers_are_warned_of(study):
    handed = {**tensors(), "classifier.conv_6.weight": torch.ones(1), "feature_extractor.conv_0.5.bias": torch.ones(1)}
    problem = only(study.check(weights(study, handed, "old.pt")), "weights-mismatch")
    assert (problem.severity, at(problem)) == (Severity.WARNING, (3, 27))
    assert problem.message.endswith("has: feature_extractor.conv_0.5.bias")


def test_weights_that_are_elsewhere_are_said_to_be_unchecked(study):
    rest = weights(study, tensors(), "old.pt")
    (study.folder / "old.pt").unlink()
    problem = only(study.check(rest), "not-checked")
    assert (problem.severity, at(problem)) == (Severity.INFO, (3, 27))


# -- determinism --

MEANS = VOLUMES + "  architecture: {my_lab.nets.Means: {}}\nstages:\n  pretrain: {}\n"


def strict(study, rest):
    return told(study.check(MEANS + f"  strict: {{from: pretrain, {rest}}}\n", "my_lab"), "nondeterministic-layer")


def test_layers_without_a_deterministic_kernel_are_refused_by_name_on_cuda(study):
    (problem,) = strict(study, "trainer: {device: cuda, deterministic: strict}")
    assert problem.message == (
        "`my_lab.nets.Means` has 2 layers without a deterministic kernel on cuda: "
        "`before` (AvgPool3d), `after` (AdaptiveAvgPool3d)"
    )
    assert (problem.severity, at(problem)) == (Severity.ERROR, (5, 67))
    assert related(problem) == [(2, 17, "this network")]


def test_a_layer_before_what_is_trained_is_not_differentiated_so_it_is_not_refused(study):
    (problem,) = strict(study, "freeze: {up_to: second}, trainer: {device: cuda, deterministic: strict}")
    assert problem.message.endswith("1 layer without a deterministic kernel on cuda: `after` (AdaptiveAvgPool3d)")


def test_where_any_device_may_be_taken_it_is_a_warning(study):
    (problem,) = strict(study, "trainer: {deterministic: strict}")
    assert problem.severity is Severity.WARNING


@pytest.mark.parametrize(
    "rest",
    [
        "trainer: {device: cpu, deterministic: strict}",
        "trainer: {device: cuda, deterministic: best_effort}",
        "freeze: {up_to: all}, trainer: {device: cuda, deterministic: strict}",
    ],
)
def test_elsewhere_such_layers_are_allowed(study, rest):
    assert not strict(study, rest)
