"""`make bench`: every part in turn, one table of ratios. Nothing is written into the checkout but `var/`."""

from __future__ import annotations

import argparse
import asyncio
import os
import time

from bench import engine, load, pages, path, reminders, sending
from bench.stock_model import EPOCHS
from bench.table import Figure

PARTS = ("engine", "path", "load", "reminders", "sending", "pages")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="this part alone; may be repeated")
    parser.add_argument(
        "--quick", action="store_true", help="small counts: shows that all runs, proves nothing"
    )
    parser.add_argument(
        "--stock-epochs",
        type=int,
        default=EPOCHS,
        help=f"epochs of stock Rasa's DIET (here {EPOCHS}; Rasa's default is 100)",
    )
    parser.add_argument("--doctors", type=int, default=0, help="of the pages; 0: as many as is meant")
    parser.add_argument("--messages", type=int, default=0, help="of the pages; 0: as many as is meant")
    given = parser.parse_args()
    for part in given.only or PARTS:
        began = time.perf_counter()
        print(f"{part}: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before it", flush=True)
        for figure in asyncio.run(_part(part, given)):
            print(figure, flush=True)
        print(f"  ({time.perf_counter() - began:.0f} s)\n", flush=True)


async def _part(part: str, given: argparse.Namespace) -> list[Figure]:
    if part == "engine":
        return await engine.main(quick=given.quick, epochs=given.stock_epochs)
    if part == "path":
        return await path.main(quick=given.quick, epochs=given.stock_epochs)
    if part == "load":
        return await load.main(quick=given.quick)
    if part == "pages":
        return await pages.main(quick=given.quick, doctors=given.doctors, messages=given.messages)
    if part == "sending":
        return await sending.main(quick=given.quick)
    return await reminders.main(quick=given.quick)


if __name__ == "__main__":
    main()
