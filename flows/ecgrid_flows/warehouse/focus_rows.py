"""Charges in the form of one version of FOCUS."""

from collections.abc import Collection
from typing import Any

import pyarrow as pa

from ecgrid_flows.warehouse.connection import literal, quoted

__all__ = ["focus_rows", "is_of_focus"]

_CURRENCIES = ("BillingCurrency", "PricingCurrency")


def is_of_focus(name: str) -> bool:
    """Whether a column is one of FOCUS, which begin with a capital, or one of ours in its files, with x_."""
    return name[0].isupper() or name.startswith("x_")


def focus_rows(charges: Any, schema: pa.Schema, left_out: Collection[str], currency: str) -> Any:
    """The charges without the columns `left_out`, in `currency`, their decimals with nine places.

    `charges` is a relation or a `Parted` with the columns of `schema`; columns that FOCUS has not stay as they are.
    """
    shown = []
    for column in schema:
        name = quoted(column.name)
        if column.name in left_out:
            continue
        if column.name in _CURRENCIES:
            name = f"{literal(currency)} AS {name}"
        elif is_of_focus(column.name) and pa.types.is_decimal(column.type):
            name = f"csv_nine_places({name}) AS {name}"
        shown.append(name)
    return charges.project(", ".join(shown))
