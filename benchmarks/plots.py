"""Draws the committed results as SVG into docs/plots/, one picture a topic; a topic without results is left out.

pip install '.[plot]' && python -m benchmarks.plots
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.report import RESULTS

__all__ = ["TOPICS", "Bars", "Curves", "draw", "rows_of"]

PLOTS = Path(__file__).parents[1] / "docs" / "plots"
WIDTH = 7.0
BAR = 0.16
"""Inches a bar is high."""
SOLVER_COLOURS = {
    "dwave-samplers SA": "#4477aa",
    "dwave-samplers Tabu": "#66ccee",
    "dwave-samplers SteepestDescent": "#99bbdd",
    "OpenJij SA": "#228833",
    "OpenJij HUBO SA": "#99cc88",
    "qubovert SA": "#ccbb44",
    "simulated-bifurcation bSB": "#ee6677",
    "simulated-bifurcation dSB": "#ffaabb",
    "PySA PT": "#aa3377",
    "MQLib BURER2002": "#777777",
    "MQLib PALUBECKIS2006": "#bbbbbb",
}
CORES_COLOURS = {"workers": "#cc3311", "processes": "#777777"}
CURVE_COLOURS = {"gpuqio": "#cc3311", "dwave-samplers": "#4477aa"}

Rows = Sequence[dict[str, Any]]


class Bars(NamedTuple):
    """Groups of bars: the ratio of each peer by the name of a row."""

    title: str
    axis: str
    groups: dict[str, dict[str, float]]


class Curves(NamedTuple):
    """Panels of curves: by the panel's title and the solver, the points (size, value)."""

    title: str
    panels: dict[tuple[str, str], dict[str, list[tuple[float, float]]]]


def updates(rows: Rows) -> Bars:
    """How many times as many attempted updates a second as each peer."""
    groups = {row["instance"]: {name: peer["ratio"] for name, peer in row["peers"].items()} for row in rows}
    return Bars("Attempted spin updates a second, one thread", "gpuqio : peer", groups)


def problems(rows: Rows) -> Bars:
    """How many times as many problems a second as each peer that solves enough of them."""
    groups: dict[str, dict[str, float]] = {}
    for row in rows:
        if not row["solver"].startswith("gpuqio") and row["solved"] >= 0.99:
            cores = "1 core" if row["cores"] == 1 else f"{row['cores']} cores"
            groups.setdefault(f"{row['problem']}, {cores}", {})[row["solver"]] = row["ratio"]
    return Bars("Problems a second, end to end, 99 % at the optimum", "gpuqio : peer", groups)


def cores(rows: Rows) -> Bars:
    """How many times as many problems a second on all cores as on one, by workers and by separate processes."""
    groups = {row["problem"]: {how: row[f"{how}, times one core"] for how in CORES_COLOURS} for row in rows}
    return Bars(f"Problems a second on {rows[0]['cores']} cores", "all cores : one", groups)


def time_to_solution(rows: Rows) -> Bars:
    """How many times as long each peer takes; one that does not solve half of the instances has no bar."""
    groups: dict[str, dict[str, float]] = {}
    for row in rows:
        if not row["solver"].startswith("gpuqio") and row["ratio"] is not None:
            groups.setdefault(row["family"], {})[row["solver"]] = row["ratio"]
    return Bars("Time to solution (99 %), one core", "peer : gpuqio", groups)


def quality(rows: Rows) -> Bars:
    """How much worse the mean cost of each peer is than our best solver's; of several lengths the best one."""
    groups: dict[str, dict[str, float]] = {}
    for row in rows:
        if not row["solver"].startswith("gpuqio"):
            group = groups.setdefault(f"{row['instance']}, {row['seconds']:g} s", {})
            group[row["solver"]] = min(row["above our best %"], group.get(row["solver"], float("inf")))
    return Bars("Cost in equal time, mean of seeds", "% above gpuqio's", groups)


def scale(rows: Rows) -> Curves:
    """Seconds and peak memory by size, a panel each for what grows."""
    panels: dict[tuple[str, str], dict[str, list[tuple[float, float]]]] = {}
    for row in rows:
        if "seconds" in row:
            for what, key in (("s", "seconds"), ("MiB", "peak MiB")):
                panel = panels.setdefault((row["grows"], what), {})
                panel.setdefault(row["solver"], []).append((row["size"], row[key]))
    return Curves("Cost of size, one thread", panels)


TOPICS: dict[str, tuple[str, Callable[[Rows], Bars | Curves]]] = {
    "updates": ("updates.json", updates),
    "problems": ("problems.json", problems),
    "cores": ("cores.json", cores),
    "tts": ("tts_*.json", time_to_solution),
    "quality_time": ("quality_time.json", quality),
    "scale": ("scale.json", scale),
}
"""By the picture's name: which results, and what is read off them."""


def rows_of(pattern: str, folder: Path = RESULTS) -> list[dict[str, Any]]:
    """The rows of all results whose file name matches."""
    return [row for path in sorted(folder.glob(pattern)) for row in json.loads(path.read_text())["rows"]]


def draw(picture: Bars | Curves, path: Path) -> None:
    """As SVG: the same bytes for the same figures and matplotlib."""
    try:
        import matplotlib
    except ImportError as error:
        raise SystemExit("Plots need matplotlib: pip install '.[plot]'") from error
    matplotlib.use("svg")
    from matplotlib import pyplot

    with pyplot.rc_context({"svg.hashsalt": "gpuqio", "font.size": 8, "axes.spines.top": False}):
        figure = _bars(picture, pyplot) if isinstance(picture, Bars) else _curves(picture, pyplot)
        figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
        pyplot.close(figure)


def _bars(picture: Bars, pyplot: Any) -> Any:
    count = sum(len(group) + 1 for group in picture.groups.values())
    figure, axes = pyplot.subplots(figsize=(WIDTH, BAR * count + 0.8))
    ratios = " : " in picture.axis
    place, ticks = 0, []
    shown: dict[str, Any] = {}
    colours = SOLVER_COLOURS | CORES_COLOURS
    for name, group in picture.groups.items():
        ticks.append((place + (len(group) - 1) / 2, name))
        for solver, value in group.items():
            left = 1.0 if ratios else 0.0
            bar = axes.barh(place, value - left, 0.9, left=left, color=colours[solver])
            shown.setdefault(solver, bar)
            axes.annotate(f" {value:.3g}", (max(value, left), place), va="center", fontsize=6)
            place += 1
        place += 1
    axes.set_xscale("log" if ratios else "symlog", **({} if ratios else {"linthresh": 0.01}))
    axes.axvline(1.0 if ratios else 0.0, color="black", linewidth=0.8)
    axes.set_yticks([at for at, _ in ticks], [name for _, name in ticks])
    axes.invert_yaxis()
    axes.set(title=picture.title, xlabel=picture.axis)
    axes.spines["right"].set_visible(False)
    axes.legend(shown.values(), shown.keys(), loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return figure


def _curves(picture: Curves, pyplot: Any) -> Any:
    topics = list(dict.fromkeys(topic for topic, _ in picture.panels))
    figure, grid = pyplot.subplots(2, len(topics), figsize=(WIDTH, 4.0), squeeze=False, sharex="col")
    for (topic, what), curves in picture.panels.items():
        axes = grid[0 if what == "s" else 1][topics.index(topic)]
        for solver, points in curves.items():
            axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=solver, color=CURVE_COLOURS[solver])
        axes.set(xscale="log", yscale="log", ylabel=what)
        axes.spines["right"].set_visible(False)
        if what == "MiB":
            axes.set_xlabel(topic)
    grid[0][0].legend(frameon=False)
    figure.suptitle(picture.title)
    figure.tight_layout()
    return figure


def main() -> None:
    PLOTS.mkdir(exist_ok=True)
    for name, (pattern, read) in TOPICS.items():
        rows = rows_of(pattern)
        if not rows:
            print(f"without {name}: no results")
            continue
        draw(read(rows), PLOTS / f"{name}.svg")
        print("written to", PLOTS / f"{name}.svg")


if __name__ == "__main__":
    main()
