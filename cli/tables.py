"""Tables: drawn on a terminal, tab-separated lines elsewhere, so that `cut` and `grep` read them."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text


def show(console: Console, heads: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Print the rows; `empty` says on a terminal that there are none."""
    if not console.is_terminal:
        for row in rows:
            console.file.write("\t".join(row) + "\n")  # `print` would make spaces of tabs
        return
    if not rows:
        console.print(empty)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
