"""Results of several runs: merged, as tables, as charts."""
import json
import os
import pathlib
import platform
import re

TITLES = {
    "cnnc": "cnnc", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "ncnn": "ncnn", "mnn": "MNN", "tract": "tract",
    "candle": "candle", "burn": "burn", "torch": "PyTorch", "torch_channels_last": "PyTorch channels_last",
    "torch_compile": "PyTorch compiled", "onnxruntime_python": "ONNX Runtime, from Python",
}
MODES = {"inference": "Inference", "training": "Training step", "cold": "Cold start"}
KEY = ("mode", "network", "batch", "threads", "engine")


def processor():
    try:
        name = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())[1]
    except (OSError, TypeError):
        name = platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"


class Results:
    """What is in a folder, by network and engine."""

    def __init__(self, folder):
        self.folder = folder
        path = folder / "results.json"
        self.rows = json.loads(path.read_text())["rows"] if path.exists() else []

    def merge(self, key, line):
        """What was measured anew replaces what it was before."""
        old = next((row for row in self.rows if all(row[k] == key[k] for k in KEY)), None)
        if old is None:
            self.rows.append(key | line)
        else:
            kept = old if "medians" not in line else key | {"peak_rss_mib": old.get("peak_rss_mib")}
            self.rows[self.rows.index(old)] = kept | line

    def write(self, versions):
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"machine": processor(), "versions": versions, "rows": self.rows}, indent=1)
        (self.folder / "results.json").write_text(text + "\n")
        (self.folder / "results.md").write_text(self.tables())
        for mode in ("inference", "training"):
            rows = [row for row in self.rows if row["mode"] == mode and row["threads"] == 2 and (mode == "training" or row["batch"] == 1)]
            if rows:
                (self.folder / f"{mode}.svg").write_text(chart(MODES[mode], by_network(rows)))

    def groups(self):
        """Rows that belong in one table, under its heading."""
        groups = {}
        for row in self.rows:
            batch = "" if row["mode"] != "inference" else f", batch {row['batch']}"
            heading = f"{MODES[row['mode']]}{batch}, {row['threads']} thread{'s' if row['threads'] > 1 else ''}"
            groups.setdefault(heading, []).append(row)
        return groups

    def tables(self):
        parts = []
        for heading, rows in self.groups().items():
            parts.append(f"## {heading}, milliseconds\n\n" + times(by_network(rows)))
            if any(row.get("peak_rss_mib") for row in rows):
                parts.append(f"## {heading}, peak resident MiB\n\n" + memory(by_network(rows)))
        return "\n".join(parts)


def by_network(rows):
    """Rows by network and engine, both in the order of `TITLES` and of first measurement."""
    networks = {}
    for row in rows:
        networks.setdefault(row["network"], {})[row["engine"]] = row
    return networks


def best_other(engines):
    """The fastest engine that is not ours."""
    others = [row for engine, row in engines.items() if engine != "cnnc" and row.get("median_ms")]
    return min(others, key=lambda row: row["median_ms"], default=None)


def number(value):
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def table(networks, cell, last=None):
    """Networks down, engines across; `last` is a column of its own."""
    engines = [e for e in TITLES if any(e in row for row in networks.values())]
    titles = ["network", *(TITLES[e] for e in engines), *([last[0]] if last else [])]
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for name, rows in networks.items():
        batch = rows[next(iter(rows))]["batch"]
        cells = [cell(rows[e]) if e in rows else "–" for e in engines]
        lines.append("| " + " | ".join([name if batch == 1 else f"{name}, {batch}", *cells, *([last[1](rows)] if last else [])]) + " |")
    return "\n".join(lines) + "\n"


def times(networks):
    def cell(row):
        if row.get("median_ms"):
            return number(row["median_ms"])
        return "≠" if "off" in row else "–"  # What is computed is not what PyTorch computes, or the engine cannot do it.

    def ratio(engines):
        other, ours = best_other(engines), engines.get("cnnc", {}).get("median_ms")
        return f"**{other['median_ms'] / ours:.2f}**" if other and ours else "–"

    return table(networks, cell, ("best other ÷ cnnc", ratio))


def memory(networks):
    return table(networks, lambda row: f"{row['peak_rss_mib']:,}" if row.get("peak_rss_mib") else "–")


COLUMNS, PANEL, LABEL, BAR, ROW = 3, 330, 130, 128, 16
LONGEST = 4
"""Bars end at this many times the shortest."""


def chart(title, networks):
    """A panel for each network: ours, then the others from fast to slow."""
    panels = [panel(name, engines) for name, engines in networks.items()]
    heights = [max(height for _, height in panels[i : i + COLUMNS]) for i in range(0, len(panels), COLUMNS)]
    body = []
    for i, (drawn, _) in enumerate(panels):
        x, y = 12 + PANEL * (i % COLUMNS), 44 + sum(heights[: i // COLUMNS])
        body.append(f'<g transform="translate({x} {y})">{drawn}</g>')
    width, height = 12 + PANEL * min(COLUMNS, len(panels)), 50 + sum(heights)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="11" fill="#1e293b"><rect width="100%" height="100%" fill="#ffffff"/>'
        f'<text x="16" y="24" font-size="15" font-weight="bold">{title}, milliseconds: shorter is better</text>' + "".join(body) + "</svg>\n"
    )


def panel(name, engines):
    """What is drawn for a network, and how high it is."""
    shown = sorted((row for row in engines.values() if row.get("median_ms")), key=lambda row: (row["engine"] != "cnnc", row["median_ms"]))
    shortest = min(row["median_ms"] for row in shown)
    scale = BAR / min(LONGEST * shortest, max(row["median_ms"] for row in shown))
    batch = shown[0]["batch"]
    heading = name if batch == 1 else f"{name}, batch {batch}"
    body = [f'<text x="{LABEL}" y="12" font-size="13" font-weight="bold">{heading}</text>']
    for i, row in enumerate(shown):
        y, ours = 20 + ROW * i, row["engine"] == "cnnc"
        width = row["median_ms"] * scale
        style = ' font-weight="bold"' if ours else ""
        body.append(f'<text x="{LABEL - 6}" y="{y + 11}" text-anchor="end"{style}>{TITLES[row["engine"]]}</text>')
        body.append(f'<rect x="{LABEL}" y="{y + 2}" width="{min(width, BAR):.1f}" height="{ROW - 5}" fill="{"#c2410c" if ours else "#94a3b8"}"/>')
        if width > BAR + 0.5:  # It goes on: a gap in the bar says so.
            body.append(f'<path d="M{LABEL + BAR - 16} {y + 15}l5 -15h4l-5 15z" fill="#ffffff"/>')
        body.append(f'<text x="{LABEL + min(width, BAR) + 5:.1f}" y="{y + 11}"{style}>{number(row["median_ms"])}</text>')
    return "".join(body), 38 + ROW * len(shown)
