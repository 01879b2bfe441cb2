"""Rows as text for people: a table that fits the terminal, a line a field where none does, or as wide as it is.

Ids, names of clocks, codes and times are never cut apart: whoever copies one into the next command needs all of it.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Final

GAP: Final = 2
"""Spaces between two columns."""
READABLE: Final = 24
"""A sentence is not folded to less than this: it would be a column of single words."""


def fitted(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], values: Sequence[Sequence[Any]]) -> str:
    """For a terminal: no wider than it is. ``values`` are what ``rows`` show: only lists and sentences fold, between words."""
    from rich.console import Console  # late: it takes time that other formats need not pay

    room = Console().width
    columns = [[head, *cells] for head, cells in zip(heads, zip(*rows, strict=True), strict=True)]
    most = [_widest(column) for column in columns]
    least = [
        max(_widest(head.split()), _least(cells, some))
        for (head, *cells), some in zip(columns, zip(*values, strict=True), strict=True)
    ]
    free = room - GAP * (len(heads) - 1)
    if sum(least) > free:
        return _records(title, heads, rows)
    for cap in range(free, -1, -1):  # what is widest gives way first
        widths = [min(natural, max(needed, cap)) for natural, needed in zip(most, least, strict=True)]
        if sum(widths) <= free:
            break
    return _table(title, heads, rows, widths, room)


def aligned(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """As wide as it is, a line a row: for files and pipes, where a folded name could not be found again."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (heads, *rows)]
    return "\n".join([*([title] if title else []), *lines, ""])


def _least(cells: Sequence[str], values: Sequence[Any]) -> int:
    """How narrow a column may become."""
    found = 0
    for text, value in zip(cells, values, strict=True):
        if isinstance(value, list | tuple):
            found = max(found, _widest(text.split()))
        elif isinstance(value, str | dict):
            found = max(found, min(READABLE, _widest([text])), _widest(text.split()))
        else:
            found = max(found, _widest([text]))
    return found


def _widest(texts: Iterable[str]) -> int:
    """How many columns of a terminal the widest of some texts takes."""
    from rich.cells import cell_len

    return max(map(cell_len, texts), default=0)


def _table(
    title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int], room: int
) -> str:  # fmt: skip
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for head, width in zip(heads, widths, strict=True):
        table.add_column(Text(head), width=width, overflow="fold")
    for row in rows:
        table.add_row(*[Text(text) for text in row])
    console = Console(highlight=False, width=room)
    with console.capture() as written:  # click writes it, as everything else: a closed pipe is not rich's business
        console.print(table)
    return written.get()


def _records(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A line a field, as ``casetrail show`` has it, and an empty line between two rows."""
    width = max(map(len, heads))
    shown = [[f"{head:<{width}}  {text}" for head, text in zip(heads, row, strict=True) if text] for row in rows]
    lines = itertools.chain.from_iterable(["", *some] for some in shown)
    return "\n".join([*([title] if title else []), *itertools.islice(lines, 0 if title else 1, None), ""])
