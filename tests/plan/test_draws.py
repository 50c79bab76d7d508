from tlimb.language.values import Alternative, Choice, Range
from tlimb.plan.draws import draw_choice, draw_range, run_seed


def _choice(*labels):
    return Choice("params/arch", tuple(Alternative(label, label, "") for label in labels), "")


def test_log_uniform_draws_are_the_published_vector():
    node = Range("stages/finetune/optimizer/adamw/lr", "log_uniform", 1e-5, 1e-2, "")
    assert [draw_range(node, 1, t) for t in range(3)] == [0.00356082, 0.00509015, 0.00343074]


def test_uniform_draws_are_the_published_vector():
    node = Range("params/dropout", "uniform", 0.0, 0.5, "")
    assert [draw_range(node, 7, t) for t in range(3)] == [0.186793, 0.470723, 0.426968]


def test_choice_draws_are_the_published_vector_and_a_new_alternative_changes_only_what_it_wins():
    two = "".join("ab"[draw_choice(_choice("a", "b"), 7, t)] for t in range(8))
    three = "".join("abc"[draw_choice(_choice("a", "b", "c"), 7, t)] for t in range(8))
    assert (two, three) == ("baaaaaab", "bcaaaacb")


def test_run_seeds_are_the_published_vector():
    assert [run_seed(2024, r) for r in range(3)] == [8083866167733677, 6072193589007101, 2712728967624937]


def test_int_uniform_reaches_both_ends_and_nothing_outside():
    node = Range("x", "int_uniform", 4, 6, "")
    assert {draw_range(node, 0, t) for t in range(200)} == {4, 5, 6}
