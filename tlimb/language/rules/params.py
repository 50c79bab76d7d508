"""Named values: rows of a record have equal fields."""

from collections import Counter
from collections.abc import Iterator

from tlimb.language.reading import node_word
from tlimb.language.rules.facts import Facts, listed, rule
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
        shapes = Counter(tuple(sorted(entry.key for entry in row.entries)) for row in rows)
        usual = max(shapes, key=lambda shape: (shapes[shape], len(shape)))
        other = next(row for row in rows if tuple(sorted(entry.key for entry in row.entries)) == usual)
        for number, row in enumerate(rows, start=1):
            own = {entry.key for entry in row.entries}
            lacking = [one for one in usual if one not in own]
            extra = [entry.key for entry in row.entries if entry.key not in usual]
            if not lacking and not extra:
                continue
            message = f"row {number} of `{name}` lacks {listed(lacking)}"
            if extra:
                message = f"row {number} of `{name}` has {listed(extra)}, other rows have {listed(usual)}"
            related = (Related(other.pointer, "as here"),)
            help_ = "rows of a record vary together: all have the same fields"
            yield Problem("record-ragged", message, row.pointer, related=related, help=help_)
