"""Named values: rows of a record have equal fields."""

from collections.abc import Iterator

from tlimb.language.reading import node_word
from tlimb.language.rules.common import Facts, listed, rule
from tlimb.problems import Problem, Related


@rule
def record_ragged(facts: Facts) -> Iterator[Problem]:
    """All rows of a record that is used by field have the same fields."""
    by_field = set()
    for tree in facts.all_trees():
        if node_word(tree) == "param":
            name, _, part = str(tree.get("param").value).partition(".")  # type: ignore[union-attr]
            if part:
                by_field.add(name)
    for name in sorted(by_field):
        param = facts.section("params").get(name)
        rows = [] if param is None else list(facts.rows(param))
        if len(rows) < 2:
            continue
        fields = list(dict.fromkeys(entry.key for row in rows for entry in row.entries))
        for number, row in enumerate(rows, start=1):
            lacking = [one for one in fields if row.get(one) is None]
            if lacking:
                message = f"row {number} of `{name}` lacks {listed(lacking)}"
                other = next(one for one in rows if one.get(lacking[0]) is not None)
                related = (Related(f"{other.pointer}/{lacking[0]}", "as here", on_key=True),)
                help_ = "rows of a record vary together: each has every field"
                yield Problem("record-ragged", message, row.pointer, related=related, help=help_)
