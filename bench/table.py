"""What a part hands back: figures for the table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line. `goal` is what the project set itself, `met` whether this run reached it."""

    what: str
    value: str
    goal: str = ""
    met: bool | None = None

    def __str__(self) -> str:
        verdict = {None: "", True: "reached", False: "NOT REACHED"}[self.met]
        return f"  {self.what:<44}  {self.value:<62}  {self.goal:<10}  {verdict}".rstrip()


def at_least(what: str, value: float, goal: float, unit: str = "x", digits: int = 1) -> Figure:
    return Figure(what, f"{value:.{digits}f}{unit}", f">= {goal:g}{unit}", value >= goal)


def at_most(what: str, value: float, goal: float, unit: str = "", digits: int = 2) -> Figure:
    return Figure(what, f"{value:.{digits}f}{unit}", f"<= {goal:g}{unit}", value <= goal)
