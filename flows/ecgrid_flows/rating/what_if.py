"""The cost of a quantity on a ladder of tiers under a reading: `quote`, for notebooks.

Rated by the SQL of the billed lines and of `quote --batch`; nothing is multiplied here.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd
import pyarrow as pa

from ecgrid_flows.rating import quote
from ecgrid_transforms.money import ZERO, Decimal, plain, to_decimal

__all__ = ["MODELS", "compared", "curves", "ladder", "quantities", "rated", "rated_cases", "reading"]

MODELS = ("unit", "volume", "graduated")
#: Parts of a reading common to out_readings and `quote`.
PARTS = ("model", "upper_bound", "blocks", "block_scope", "rate_per", "rounding")

Tier = Mapping[str, object]


def rated(amounts_of: Iterable[Decimal], tiers: Sequence[Tier], read: Mapping[str, object]) -> pd.DataFrame:
    """`quantity`, exact `amount`, and `error` for a quantity without a price (in a gap, beyond the last tier)."""
    return rated_cases([(quantity, tiers, read) for quantity in amounts_of])


def rated_cases(cases: Sequence[tuple[Decimal, Sequence[Tier], Mapping[str, object]]]) -> pd.DataFrame:
    """As `rated`, each quantity with its own ladder and reading; all are rated at once."""
    records = (
        json.dumps({"id": str(place), "quantity": plain(quantity), "tiers": tiers, "reading": read}).encode()
        for place, (quantity, tiers, read) in enumerate(cases)
    )
    answers = [json.loads(answer) for answer in quote.rate(records)]
    table = pa.table(
        {
            "quantity": pa.array([quantity for quantity, _, _ in cases], pa.decimal128(38, 10)),
            "amount": pa.array(
                [to_decimal(answer["amount"]) if "amount" in answer else None for answer in answers],
                pa.decimal128(38, 20),
            ),
            "error": pa.array([answer.get("error") for answer in answers], pa.string()),
        }
    )
    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def ladder(tiers: pd.DataFrame, model: str) -> list[dict[str, Any]]:
    """Rows of out_tiers (one rate ladder) in the form of `quote`.

    Maximum is the running upper bound; a last one of 0 is open. Under `stairstep` and `stacked_flat` Rate is the fee of
    its step.
    """
    made: list[dict[str, Any]] = []
    rows = tiers.sort_values("tier").to_dict("records")
    below = "0"
    for place, row in enumerate(rows, start=1):
        upper = None if not row["maximum"] and place == len(rows) else str(row["maximum"])
        is_fee = model in ("stairstep", "stacked_flat")
        made.append(
            {
                "minimum": below,
                "maximum": upper,
                "rate": "0" if is_fee else plain(row["rate"]),
                "flat": plain(row["rate"]) if is_fee else "0",
                "block": plain(row["block"]) if row["block"] else "1",
            }
        )
        below = str(row["maximum"])
    return made


def reading(row: Mapping[str, Any], model: str | None = None) -> dict[str, Any]:
    """A row of out_readings in the form of `quote`, with another model if given. Quantities are after the allowance."""
    made = {part: row[part] for part in PARTS if isinstance(row.get(part), str)}
    scale = row.get("scale")
    if isinstance(scale, int):
        made["scale"] = str(scale)
    if model:
        made["model"] = model
    return made


def quantities(tiers: Sequence[Tier], most: Decimal, points: int = 60) -> list[Decimal]:
    """Quantities for a curve: even steps up to `most`, and both sides of every bound."""
    bounds = [to_decimal(str(tier["maximum"])) for tier in tiers if tier["maximum"] is not None]
    end = max([most, *(bound + bound for bound in bounds[-1:])], default=most)
    step = max(end // points, Decimal(1))
    steps = [step * place for place in range(points + 1)]
    beside = [value for bound in bounds for value in (bound, bound + 1)]
    return sorted({value for value in (*steps, *beside, end) if ZERO <= value <= end})


def compared(amounts_of: Sequence[Decimal], tiers: Sequence[Tier], read: Mapping[str, object]) -> pd.DataFrame:
    """The cost of each quantity under each model, the reading otherwise unchanged; the first error, if any."""
    answers = rated_cases([(quantity, tiers, {**read, "model": model}) for model in MODELS for quantity in amounts_of])
    size = len(amounts_of)
    parts = [answers[place * size : (place + 1) * size].reset_index(drop=True) for place in range(len(MODELS))]
    frame = parts[0][["quantity"]].copy()
    for model, answer in zip(MODELS, parts, strict=True):
        frame[model] = answer["amount"]
    errors = [answer["error"] for answer in parts]
    frame["error"] = [
        next((text for text in texts if isinstance(text, str)), None) for texts in zip(*errors, strict=True)
    ]
    return frame


def curves(ladders: Sequence[tuple[pd.DataFrame, Mapping[str, Any], Decimal]]) -> list[pd.DataFrame]:
    """Points of the curves of ladders, each given with its chosen reading and the largest quantity; rated at once.

    Per ladder `quantity`, `amount`, `model`; the model of the chosen reading is marked `as read`.
    """
    cases, names, ends = [], [], [0]
    for tiers, chosen, most in ladders:
        own = str(chosen["model"])
        for model in dict.fromkeys([own, *MODELS]):
            steps, read = ladder(tiers, model), reading(chosen, model)
            for quantity in quantities(steps, most):
                cases.append((quantity, steps, read))
                names.append(f"{model.replace('_', ' ')}, as read" if model == own else model)
        ends.append(len(cases))
    answers = rated_cases(cases).assign(model=names)
    parts = [answers[first:end] for first, end in pairwise(ends)]
    return [part[part["amount"].notna()].reset_index(drop=True) for part in parts]
