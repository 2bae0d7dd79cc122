"""How results are shown: one line per path, with the limit it is compared with."""

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Row:
    """One measured path. `ratios` are ours to the limit, one a pass; `goal` is the least wanted."""

    path: str
    limit: str
    ours: str
    ratios: list[float]
    goal: float

    @property
    def ratio(self) -> float:
        return median(self.ratios)


def table(rows: list[Row]) -> str:
    lines = [f"{'path':44}{'ours':>16}{'limit':>16}{'ratio':>8}{'goal':>8}  passes"]
    for row in rows:
        passes = " ".join(f"{ratio:.2f}" for ratio in row.ratios)
        lines.append(
            f"{row.path:44}{row.ours:>16}{row.limit:>16}{row.ratio:>8.2f}{row.goal:>8.2f}  {passes}"
        )
    return "\n".join(lines)
