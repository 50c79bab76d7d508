"""The comments of a spec, and which entry each of them speaks of.

A comment at the end of a line belongs to what ends or opens on that line; a comment on a line of its own belongs
to the entry below it, or, by its indentation, to the end of the block above.
"""

from attrs import frozen

from tlimb.language.rewriting.sheet import Entry, Node, Page, Position


@frozen
class Comment:
    """A comment: where it begins, its text with the sign, and whether it has a line of its own."""

    start: Position
    text: str
    alone: bool


def comments(text: str, page: Page) -> list[Comment]:
    """Give all comments of a document in order."""
    inside = sorted(page.texts)
    found: list[Comment] = []
    offset, position = 0, 0
    for number, line in enumerate(text.split("\n")):
        for column, letter in enumerate(line):
            at = offset + column
            while position < len(inside) and inside[position][1] <= at:
                position += 1
            within = position < len(inside) and inside[position][0] <= at
            if letter == "#" and not within and (column == 0 or line[column - 1] in " \t"):
                found.append(Comment((number, column), line[column:].rstrip(), not line[:column].strip()))
                break
        offset += len(line) + 1
    return found


def attach(text: str, page: Page) -> list[Comment]:
    """Hang every comment on an entry or below a block, and give them all."""
    found = comments(text, page)
    lines = text.split("\n")
    spots = list(page.root.walk())
    for comment in found:
        if comment.alone or not _beside(comment, spots):
            _above_or_below(comment, page.root, spots, lines)
    seen: set[int] = set()
    for _, entry in spots:
        # An item of a list and its first key begin on one line: the empty line above is the item's.
        number = entry.start[0]
        if number not in seen and _blank_above(lines, number) and not lines[number][: entry.start[1]].strip(" -"):
            entry.lead.append("")
        seen.add(number)
    return found


def _beside(comment: Comment, spots: list[tuple[Node, Entry]]) -> bool:
    """Hang a comment on the last entry that ends, or else begins, before it on its line."""
    best: tuple[Position, Entry, bool] | None = None
    for node, entry in spots:
        if entry.start > comment.start:
            break
        end = entry.value.end
        # What opens on this line counts from its key, what closes on it from its end.
        closed = end is not None and end <= comment.start
        at = end if closed else entry.start
        if at is not None and at[0] == comment.start[0] and (best is None or at >= best[0]):
            best = (at, entry, node.flow)
    if best is None:
        return False
    # Inside braces the line will be another one, so its column says nothing.
    best[1].tail.append((0 if best[2] else comment.start[1], comment.text))
    return True


def _above_or_below(comment: Comment, root: Node, spots: list[tuple[Node, Entry]], lines: list[str]) -> None:
    """Hang a comment on the entry below it, or below the block or in the brackets that end here."""
    written = [""] if _blank_above(lines, comment.start[0]) else []
    written.append(comment.text)
    following = next(((node, entry) for node, entry in spots if entry.start > comment.start), None)
    opened = [node for node in _nodes(root) if node.flow and node.start < comment.start < (node.end or node.start)]
    if opened:
        within = opened[-1]
        inner = following is not None and following[1].start < (within.end or within.start)
        (following[1].lead if inner and following is not None else within.foot).extend(written)
        return
    column = comment.start[1]
    least = following[0].start[1] if following is not None else -1
    for node in _closing(root, comment.start):
        if least < node.start[1] <= column:
            node.foot.extend(written)
            return
    (following[1].lead if following is not None else root.foot).extend(written)


def _nodes(root: Node) -> list[Node]:
    return [root, *(entry.value for _, entry in root.walk() if entry.value.kind != "scalar")]


def _closing(root: Node, position: Position) -> list[Node]:
    """Give the blocks in which the last entry before a position lies, innermost first."""
    path: list[Node] = []
    node = root
    while node.kind != "scalar" and not node.flow:
        before = [entry for entry in node.entries if entry.start < position]
        if not before:
            break
        path.append(node)
        node = before[-1].value
    return path[::-1]


def _blank_above(lines: list[str], number: int) -> bool:
    return number > 0 and not lines[number - 1].strip()
