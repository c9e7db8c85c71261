"""What a part hands back: figures for the table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line. `goal` is what the project set itself, `met` whether this run reached it, `machine` what else
    the machine did meanwhile."""

    what: str
    value: str
    goal: str = ""
    met: bool | None = None
    machine: str = ""

    def __str__(self) -> str:
        verdict = {None: "", True: "reached", False: "NOT REACHED"}[self.met]
        machine = self.machine and f"  [{self.machine}]"
        return f"  {self.what:<44}  {self.value:<62}  {self.goal:<10}  {verdict:<11}{machine}".rstrip()


def at_least(
    what: str, value: float, goal: float, unit: str = "x", digits: int = 1, machine: str = ""
) -> Figure:
    return Figure(what, f"{value:.{digits}f}{unit}", f">= {goal:g}{unit}", value >= goal, machine)


def at_most(
    what: str, value: float, goal: float, unit: str = "", digits: int = 2, machine: str = ""
) -> Figure:
    return Figure(what, f"{value:.{digits}f}{unit}", f"<= {goal:g}{unit}", value <= goal, machine)
