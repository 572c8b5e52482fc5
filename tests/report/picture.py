"""The picture of the report in the README, made anew from the sandbox's month: python -m tests.report.picture

Needs Chromium. The picture is the first screen of the report, 1,100 by 1,150 pixels.
"""

import base64
import subprocess
import sys
import tempfile
from pathlib import Path

from .chromium import Chromium

PICTURE = Path(__file__).resolve().parents[2] / "notebooks/report.png"
MONTH = "2026-10"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = Path(sys.executable).with_name("ecgrid-billing")
        done = subprocess.run(
            [program, "run", "--month", MONTH], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1, done.stderr  # the sandbox's planted errors are open
        with Chromium(folder / "chromium", 1100, 1150) as browser:
            browser.call(
                "Emulation.setDeviceMetricsOverride", width=1100, height=1150, deviceScaleFactor=1, mobile=False
            )
            browser.open(folder / f"data/sandbox/reports/{MONTH}/reconcile_month.html")
            taken = browser.call("Page.captureScreenshot", format="png")
        PICTURE.write_bytes(base64.b64decode(taken["data"]))


if __name__ == "__main__":
    main()
