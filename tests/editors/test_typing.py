"""What an editor offers, shows and marks while a study is typed; `|` is the cursor."""

import pytest

from tlimb.language import catalogue

HEAD = "# yaml-language-server: $schema=./.tlimb/schema.json\n"
STAGE = HEAD + "tlimb: 1\ndatasets: {}\nstages:\n  a:\n"
"""A study up to the keys of a stage, which are indented by four."""

NUMBER = "choice compare uniform log_uniform int_uniform param"
"""Search entries that a number may be."""

KEY = 10
"""The protocol's number for a completion that is a key."""


@pytest.fixture
def offers(server, project):
    """Give label -> completion at the cursor of a text."""

    def ask(text):
        before, after = text.split("|")
        line = before.count("\n")
        column = len(before) - before.rfind("\n") - 1
        found = server.offers(project / "typing.yaml", before + after, line, column)
        return {item["label"]: item for item in found}

    return ask


@pytest.fixture
def problems(server, project):
    """Give (marked text, message) for each problem of a text."""

    def ask(text):
        lines = text.split("\n")
        found = []
        for problem in server.problems(project / "typing.yaml", text):
            start, end = problem["range"]["start"], problem["range"]["end"]
            assert start["line"] == end["line"]
            found.append((lines[start["line"]][start["character"] : end["character"]], problem["message"]))
        return found

    return ask


def test_every_component_is_offered_with_what_it_is_and_its_required_options(offers):
    known = catalogue.load()
    for kind in ("architecture", "objective", "optimizer", "scheduler", "data"):
        offered = offers(f"{STAGE}    {kind}:\n      |\n")
        components = {listing.name: listing for listing in known.all(kind)}
        assert set(components) <= {label for label, item in offered.items() if item["kind"] == KEY}
        for name, listing in components.items():
            assert listing.doc in offered[name]["documentation"]["value"]
            assert all(f"{option}:" in offered[name]["insertText"] for option in listing.required)


@pytest.mark.parametrize(
    ("kind", "name"), [("architecture", "resnet3d"), ("architecture", "sfcn"), ("optimizer", "sgd")]
)
def test_after_the_choice_only_the_options_of_that_component_are_offered(offers, kind, name):
    offered = offers(f"{STAGE}    {kind}:\n      {name}:\n        |\n")
    keys = {label for label, item in offered.items() if item["kind"] == KEY}
    assert keys == set(catalogue.load().get(kind, name).options)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("    trainer:\n      precision: |\n", {"fp32", "bf16", "fp16"}),
        ("    trainer:\n      precision:\n        choice:\n          - |\n", {"fp32", "bf16", "fp16"}),
        ("    trainer: {precision: {choice: [|]}}\n", {"fp32", "bf16", "fp16"}),
        ("    trainer:\n      gradient_clip: |\n", {"none"}),
        ("    architecture:\n      resnet3d:\n        depth: |\n", {"10", "18", "34", "50"}),
        ("    freeze: {up_to: |}\n", {"none", "all"}),
        ("    freeze: {up_to: {compare: [all, |]}}\n", {"none", "all"}),
        ("    freeze:\n      up_to:\n        compare:\n          - |\n", {"none", "all"}),
        ("    scheduler: |\n", {"none", "cosine", "one_cycle", "constant"}),
        ("    auxiliary:\n      - |\n", {"none", "l2_sp"}),
        ("    auxiliary: {choice: [|]}\n", {"none"}),
        ("    data:\n      volume_3d:\n        preprocess: [canonical, |]\n", {"canonical", "zscore", "mean"}),
        ("    data:\n      volume_3d:\n        preprocess:\n          - |\n", {"canonical", "zscore", "crop"}),
        ("    from: |\n", {"none"}),
    ],
)
def test_values_are_offered_where_they_are_few(offers, text, wanted):
    assert wanted <= set(offers(STAGE + text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "    optimizer:\n      adamw:\n        lr:\n          |\n",
            NUMBER,
        ),
        ("    optimizer:\n      adamw:\n        lr: {x|}\n", NUMBER),
        ("    trainer:\n      epochs: {x|}\n", "choice compare int_uniform param"),
        ("    trainer:\n      precision: {x|}\n", "choice compare param"),
        ("    optimizer:\n      adamw:\n        lr:\n          choice: [1, 2]\n          |\n", "key"),
        ("    optimizer:\n      adamw:\n        lr: {compare: [1, 2], x|}\n", ""),
    ],
)
def test_a_value_that_may_vary_is_completed_with_search_entries(offers, text, words):
    offered = offers(STAGE + text)
    assert {label for label, item in offered.items() if item["kind"] == KEY} == set(words.split())


def test_a_component_that_may_vary_is_completed_with_search_entries_too(offers):
    offered = offers(f"{STAGE}    architecture:\n      choice:\n        - |\n")
    assert {"resnet3d", "sfcn", "choice", "compare", "param"} <= set(offered)
    assert "Searched" in offered["choice"]["documentation"]["value"]


def test_hover_shows_the_documentation_of_a_component_and_of_an_option(server, project):
    path = project / "pretrain-finetune.yaml"
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")

    def hover(word):
        line = next(i for i, content in enumerate(lines) if word in content)
        return server.hover(path, text, line, lines[line].index(word) + 1)

    resnet = catalogue.load().get("architecture", "resnet3d")
    assert resnet.doc in hover("resnet3d:")
    assert resnet.options["depth"].doc in hover("depth:")
    assert "Searched" in hover("choice:")
    assert "Training steps" in hover("stages:")


@pytest.mark.parametrize(
    ("text", "marked", "said"),
    [
        ("    architecture: {resnet3: {depth: 18}}\n", "resnet3", '"resnet3d", "sfcn", "swin3d"'),
        ("    trainer: {epochs: 5, batchsize: 3}\n", "batchsize", "not allowed"),
        ("    optimizer: {adamw: {lr: 0.1, wieght_decay: 0.1}}\n", "wieght_decay", "not allowed"),
        ("    optimizer: {adamw: {lr: {chioce: [1, 2]}}}\n", "chioce", '"choice", "compare"'),
        ("    optimizer: {adamw: {lr: fast}}\n", "fast", "Expected"),
        ("    optimizer: {adamw: {lr: -1}}\n", "-1", "minimum"),
        ("    optimizer: adamw\n", "adamw", "options are missing"),
        ("    trainer: {precision: fp23}\n", "fp23", '"fp32", "bf16", "fp16"'),
        ("    scheduler: onecycle\n", "onecycle", '"one_cycle"'),
        ("    auxiliary: [non]\n", "non", '"none"'),
        ("    freeze: {upto: all}\n", "upto", "not allowed"),
        ("    gradient: 1\n", "gradient", "not allowed"),
    ],
)
def test_a_mistake_is_marked_where_it_is_and_nowhere_else(problems, text, marked, said):
    found = problems(STAGE + text)
    assert [text for text, _ in found] == [marked]
    assert said in found[0][1]
