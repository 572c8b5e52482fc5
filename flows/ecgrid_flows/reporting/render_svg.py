"""Charts as pictures. Apart from `charts`, for who draws what a notebook described needs neither Altair nor pandas."""

from typing import Any

import vl_convert

#: A variable of the environment: where it is set, charts are shown as their specification alone.
UNDRAWN = "BILLING_CHARTS_UNDRAWN"


def drawing(spec: dict[str, Any], width: int = 720) -> str:
    """A chart as SVG; one that fills its container is drawn `width` pixels wide."""
    fixed = {**spec, "width": width} if spec.get("width") == "container" else spec
    return str(vl_convert.vegalite_to_svg(fixed))
