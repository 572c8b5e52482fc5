"""X12 interchanges around the segments of a test, by the rules of 004010."""

from collections.abc import Sequence


def interchange(
    *sets: Sequence[str], element: str = "*", end: str = "~", component: str = ":", line: str = "", control: str = "905"
) -> bytes:
    """One interchange with one group of the sets given, each without ST and SE, written with `*`."""
    number = control.zfill(9)
    isa = ["ISA", "00", " " * 10, "00", " " * 10, "ZZ", "ECGRID".ljust(15), "ZZ", "BUYER".ljust(15)]
    isa += ["261101", "0600", "U", "00401", number, "0", "P", "COMPONENT"]
    segments = ["*".join(isa), f"GS*IN*ECGRID*BUYER*20261101*0600*{control}*X*004010"]
    for place, body in enumerate(sets, start=1):
        segments += [f"ST*810*{place:04}", *body, f"SE*{len(body) + 2}*{place:04}"]
    segments += [f"GE*{len(sets)}*{control}", f"IEA*1*{number}"]
    written = (segment.replace("*", element).replace("COMPONENT", component) for segment in segments)
    return "".join(segment + end + line for segment in written).encode()
