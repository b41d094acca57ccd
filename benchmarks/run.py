"""`make bench`: measures the figures of the README's table on this machine and records them as JSON."""

import datetime
import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.calibration import calibrate

ROOT = Path(__file__).resolve().parent
FLYTE = str(Path(sys.executable).parent / "flyte")
PROGRAM = str(ROOT / "program.py")
CHILDREN = 1000
TRACES = 500

TARGETS = {
    "import_flyte_ms": 60,
    "help_ms": 150,
    "server_ready_ms": 1000,
    "run_hello_first_ms": None,
    "run_hello_ms": 700,
    "children_per_second": 150,
    "local_children_per_second": 2000,
    "trace_ms": 1,
    "conversion_seconds": 0.5,
    "file_upload_percent_of_cp": 70,
    "file_download_percent_of_cp": 70,
    "file_stream_mb_per_second": None,
    "file_stream_sync_mb_per_second": None,
    "handover_bytes_mb_per_second": 400,
    "handover_array_mb_per_second": 400,
    "snapshot_children": None,
    "snapshot_seconds": 5,
    "snapshot_seconds_max": 5,
}


def wall_ms(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return (time.perf_counter() - started) * 1000


def median(measure: Callable[[], float], repeat: int) -> dict[str, float]:
    """Median, smallest and largest of some measurements."""
    values = [measure() for _ in range(repeat)]
    return {
        "median": round(statistics.median(values), 2),
        "min": round(min(values), 2),
        "max": round(max(values), 2),
        "n": repeat,
    }


def import_ms() -> float:
    probe = "import time; t = time.perf_counter(); import flyte; print((time.perf_counter() - t) * 1000)"
    return float(subprocess.check_output([sys.executable, "-c", probe]))


def result_of(*arguments: str) -> float:
    """The number that a benchmark task returns: what it measured from the inside."""
    output = subprocess.check_output([FLYTE, "run", *arguments], text=True)
    found = re.search(r"o0=([0-9.e-]+)", output)
    if not found:
        raise SystemExit(f"no result in: {output}")
    return float(found[1])


def server_ready_ms(home: str) -> float:
    """From the command to the first answered request."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "flyte_server", "--home", home, "--port", "0", "--foreground"],
        stderr=subprocess.DEVNULL,
    )
    record = Path(home) / "server.json"
    while True:
        try:
            port = json.loads(record.read_text())["port"]
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                break
        except (OSError, ValueError):
            time.sleep(0.002)
    elapsed = (time.perf_counter() - started) * 1000
    connection.close()
    process.terminate()
    process.wait()
    return elapsed


def figures_of(module: str) -> dict[str, object]:
    """What another benchmark prints as JSON: `files` (1 GB against `cp`), `handover` (50 MB from task to task)."""
    command = [sys.executable, "-m", f"benchmarks.{module}"]
    return json.loads(subprocess.check_output(command, cwd=ROOT.parent))


def conversion_seconds() -> float:
    """Ten thousand dataclasses to bytes and back, see `benchmarks.conversion`."""
    command = [sys.executable, "-m", "benchmarks.conversion"]
    return float(subprocess.check_output(command, cwd=ROOT.parent))


def measure() -> dict[str, object]:
    home = tempfile.mkdtemp(prefix="flyte-bench-")
    os.environ["FLYTE_HOME"] = home
    figures: dict[str, object] = {
        "import_flyte_ms": median(import_ms, 9),
        "help_ms": median(lambda: wall_ms([FLYTE, "--help"]), 9),
        "server_ready_ms": median(lambda: server_ready_ms(home), 5),
        "local_children_per_second": median(
            lambda: CHILDREN / result_of("--local", PROGRAM, "fan_out", "--n", str(CHILDREN)), 5
        ),
    }
    figures["conversion_seconds"] = median(conversion_seconds, 9)
    figures |= figures_of("files")
    figures |= figures_of("snapshot")
    subprocess.run([FLYTE, "start", "server"], check=True, capture_output=True)
    try:
        hello = [FLYTE, "run", PROGRAM, "hello"]
        figures["run_hello_first_ms"] = median(lambda: wall_ms(hello), 1)
        figures["run_hello_ms"] = median(lambda: wall_ms(hello), 7)
        figures["children_per_second"] = median(
            lambda: CHILDREN / result_of(PROGRAM, "fan_out", "--n", str(CHILDREN)), 5
        )
        figures["trace_ms"] = median(
            lambda: result_of(PROGRAM, "traces", "--n", str(TRACES)) * 1000 / TRACES, 5
        )
        figures |= figures_of("handover")
    finally:
        subprocess.run([FLYTE, "stop", "server"], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)
    return figures


def main() -> None:
    before = calibrate()
    figures = measure()
    report = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": before,
        "targets": TARGETS,
        "figures": figures,
    }
    path = ROOT / "results" / f"{report['date']}.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    for name, figure in figures.items():
        print(f"{name:28} {figure}  target {TARGETS[name]}")
    print(f"recorded in benchmarks/results/{path.name}")


if __name__ == "__main__":
    main()
