"""Responses looked up by the SHA-256 of their bodies: what a row of the lake was made from."""

import re
from collections.abc import Collection
from datetime import date

from ecgrid_flows.lake import raw_log
from ecgrid_flows.lake.raw_log import Bodies, Place, RawAnswer
from ecgrid_flows.storage.base import Store

__all__ = ["find"]

_SHA256 = re.compile(rb'"sha256":"([0-9a-f]{64})"')


def find(store: Store, feed: str, month: date, wanted: Collection[str]) -> dict[str, RawAnswer]:
    """The first response of a feed and month with each of the `wanted` SHA-256, by hash; those not in raw are left out.

    Lines are decoded only where they hold a wanted hash: a month has millions of lines, a claim names a few. Raises
    `NotAsKept` for a response whose body is not the one received.
    """
    left = {one.encode() for one in wanted}
    places: dict[str, Place] = {}
    for path in raw_log.segments(store, feed, month) if left else ():
        data = raw_log.contents(store, path)
        for found in _SHA256.finditer(data):
            if found[1] not in left:
                continue
            begin = data.rfind(b"\n", 0, found.start()) + 1
            end = data.find(b"\n", found.end()) + 1 or len(data)
            line = data[begin:end]
            if not raw_log.is_whole(line):
                continue
            answer = raw_log.decode(line, with_body=False)
            if answer.sha256 == found[1].decode() and not answer.is_repeat:
                places[answer.sha256] = Place(path, begin, end - begin)
                left.discard(found[1])
    with Bodies(store) as bodies:
        return {sha256: bodies.read(place) for sha256, place in places.items()}
