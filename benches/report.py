"""Results of several runs: merged, as tables, as charts."""
import json
import os
import pathlib
import platform
import re

NETWORKS = ["resnet50", "resnet18", "vgg16", "googlenet", "alexnet", "yolo_v2", "tiny_yolo_v2", "lenet5", "resnet20"]
"""In the order of tables and charts."""
TITLES = {
    "cnnc": "cnnc", "onnxruntime": "ONNX Runtime", "onnxruntime_rust": "ONNX Runtime (Rust)", "openvino": "OpenVINO", "ncnn": "ncnn",
    "mnn": "MNN", "mnn_small_tiles": "MNN, small tiles", "tract": "tract", "candle": "candle", "burn": "burn", "torch": "PyTorch", "torch_channels_last": "PyTorch NHWC",
    "torch_compile": "PyTorch compiled",
}
MODES = {"inference": "Inference", "training": "Training step"}
CASE = ("mode", "network", "batch", "threads")


def processor():
    """Virtual processors of one name may have AVX-512 or not, which decides more than the name."""
    try:
        about = pathlib.Path("/proc/cpuinfo").read_text()
        name = re.search(r"model name\s*: (.*)", about)[1]
        vectors = next((f" with {title}" for flag, title in [("avx512f", "AVX-512"), ("avx2", "AVX2")] if f" {flag} " in about), "")
    except (OSError, TypeError):
        name, vectors = platform.processor() or platform.machine(), ""
    return f"{name}{vectors}, {os.cpu_count()} cores, {platform.system()}"


class Results:
    """What is in a folder: rows by network and engine, all of one machine."""

    def __init__(self, folder, versions):
        self.folder, self.versions, self.machine = folder, versions, processor()
        path = folder / "results.json"
        old = json.loads(path.read_text()) if path.exists() else {}
        self.rows = old["rows"] if old.get("machine") == self.machine else []

    def replace(self, rows):
        """The rows of a case. What it had before goes: only what took turns in one run may be compared."""
        for row in rows:
            row["version"] = self.versions.get(row["engine"].split("_")[0])
        case = [rows[0][key] for key in CASE]
        self.rows = [row for row in self.rows if [row[key] for key in CASE] != case] + rows
        self.rows.sort(key=lambda row: (row["mode"], row["batch"] * (row["mode"] == "inference"), row["threads"], NETWORKS.index(row["network"])))

    def groups(self):
        """Rows that belong in one table, by network and engine, under the table's heading."""
        groups = {}
        for row in self.rows:
            batch = f", batch {row['batch']}" if row["mode"] == "inference" else ""
            heading = f"{MODES[row['mode']]}{batch}, {row['threads']} thread{'s' if row['threads'] > 1 else ''}"
            groups.setdefault(heading, {}).setdefault(row["network"], {})[row["engine"]] = row
        return groups

    def write(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"machine": self.machine, "versions": self.versions, "rows": self.rows}, indent=1)
        (self.folder / "results.json").write_text(text + "\n")
        (self.folder / "results.md").write_text(self.text())
        for heading, networks in self.groups().items():
            drawn = {name: engines for name, engines in networks.items() if any(row.get("median_ms") for row in engines.values())}
            if drawn:
                (self.folder / f"{file_name(heading)}.svg").write_text(chart(heading, drawn))

    def text(self):
        versions = dict.fromkeys(f"{TITLES[row['engine'].split('_')[0]]} {row['version']}" for row in self.rows if row["version"])
        parts = [f"Measured by `benches/peers.py` on {self.machine}: {', '.join(versions)}.\n"]
        for heading, networks in self.groups().items():
            parts.append(f"## {heading}\n\n![{heading}]({file_name(heading)}.svg)\n")
            parts.append("Milliseconds: the median of the rounds' medians (the fastest pass of all).\n\n" + times(networks))
            parts.append("Largest difference from PyTorch's output, as a share of the largest number in it.\n\n" + table(networks, difference))
            if heading.startswith(MODES["training"]):
                parts.append("Difference of the first weight's gradient from PyTorch's: norm by norm.\n\n" + table(networks, gradient))
            else:
                parts.append("Cold start: milliseconds from the start of a process to its first output.\n\n" + table(networks, cold_start))
            parts.append("Memory: the most MiB that were resident at once.\n\n" + table(networks, memory))
        return "\n".join(parts)


def file_name(heading):
    return re.sub(r"[ ,]+", "-", heading.lower())


def best_other(engines):
    """The fastest engine that is not ours."""
    others = [row for engine, row in engines.items() if engine != "cnnc" and row.get("median_ms")]
    return min(others, key=lambda row: row["median_ms"], default=None)


def number(value):
    """Three digits."""
    return f"{value:#.3g}".rstrip(".") if value < 1000 else f"{value:,.0f}"


def table(networks, cell, last=None):
    """Networks down, engines across; `last` is a column of its own."""
    engines = [e for e in TITLES if any(e in row for row in networks.values())]
    titles = ["network", *(TITLES[e] for e in engines), *([last[0]] if last else [])]
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for name, rows in networks.items():
        cells = [cell(rows[e]) if e in rows else "–" for e in engines]
        lines.append("| " + " | ".join([label(name, rows), *cells, *([last[1](rows)] if last else [])]) + " |")
    return "\n".join(lines) + "\n"


def label(name, engines):
    """The network, and the batch where it is not that of the heading."""
    row = next(iter(engines.values()))
    return f"{name}, {row['batch']}" if row["mode"] == "training" else name


def times(networks):
    def cell(row):
        if row.get("median_ms"):
            return f"{number(row['median_ms'])} ({number(row['min_ms'])})"
        return "≠" if "off" in row else "–"  # What is computed is not what PyTorch computes, or the engine cannot do it.

    def ratio(engines):
        other, ours = best_other(engines), engines.get("cnnc", {}).get("median_ms")
        return f"**{other['median_ms'] / ours:.2f}**" if other and ours else "–"

    return table(networks, cell, ("best other ÷ cnnc", ratio))


def difference(row):
    return f"{row['off']:.0e}" if "off" in row else "–"


def gradient(row):
    return f"{row['off_gradient']:.0e}" if "off_gradient" in row else "–"


def cold_start(row):
    return number(row["first_ms"]) if "first_ms" in row else "–"


def memory(row):
    return f"{row['peak_rss_mib']:,}" if row.get("peak_rss_mib") else "–"


COLUMNS, PANEL, LABEL, BAR, ROW = 2, 425, 136, 175, 17
LONGEST = 4
"""Bars end at this many times the shortest."""
STYLE = (
    "text{fill:#1f2328}.page{fill:#ffffff}.other{fill:#8c959f}.ours{fill:#d1571b}.bold{font-weight:bold}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.page{fill:#0d1117}.other{fill:#656d76}.ours{fill:#f0883e}}"
)
"""Its own background goes with either theme of the page around it."""


def chart(heading, networks):
    """A panel for each network: ours, then the others from fast to slow."""
    panels = [panel(label(name, engines), engines) for name, engines in networks.items()]
    heights = [max(height for _, height in panels[i : i + COLUMNS]) for i in range(0, len(panels), COLUMNS)]
    body = []
    for i, (drawn, _) in enumerate(panels):
        x, y = 8 + PANEL * (i % COLUMNS), 46 + sum(heights[: i // COLUMNS])
        body.append(f'<g transform="translate({x} {y})">{drawn}</g>')
    width, height = 16 + PANEL * min(COLUMNS, len(panels)), 48 + sum(heights)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="12"><style>{STYLE}</style><rect class="page" width="100%" height="100%"/>'
        f'<text x="16" y="26" font-size="15" class="bold">{heading}: milliseconds, and as a multiple of cnnc</text>' + "".join(body) + "</svg>\n"
    )


def panel(title, engines):
    """What is drawn for a network, and how high it is."""
    shown = sorted((row for row in engines.values() if row.get("median_ms")), key=lambda row: (row["engine"] != "cnnc", row["median_ms"]))
    ours = engines.get("cnnc", {}).get("median_ms")
    longest = min(LONGEST * min(row["median_ms"] for row in shown), max(row["median_ms"] for row in shown))
    body = [f'<text x="{LABEL}" y="12" font-size="13" class="bold">{title}</text>']
    for i, row in enumerate(shown):
        body.append(bar(row, 20 + ROW * i, BAR * row["median_ms"] / longest, ours))
    return "".join(body), 44 + ROW * len(shown)


def bar(row, y, width, ours):
    """A line of a panel: engine, bar, time and, of others, the ratio to our time."""
    style, kind = (' class="bold"', "ours") if row["engine"] == "cnnc" else ("", "other")
    shown = min(width, BAR)
    parts = [f'<text x="{LABEL - 6}" y="{y + 12}" text-anchor="end"{style}>{TITLES[row["engine"]]}</text>']
    parts.append(f'<rect x="{LABEL}" y="{y + 2}" width="{shown:.1f}" height="{ROW - 4}" class="{kind}"/>')
    if width > BAR + 0.5:  # It goes on: a gap in the bar says so.
        parts.append(f'<path d="M{LABEL + BAR - 18} {y + 16}l5 -15h4l-5 15z" class="page"/>')
    ratio = f" · {number(row['median_ms'] / ours)}×" if ours and kind == "other" else ""
    parts.append(f'<text x="{LABEL + shown + 5:.1f}" y="{y + 12}"{style}>{number(row["median_ms"])}{ratio}</text>')
    return "".join(parts)
