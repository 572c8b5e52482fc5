"""Account names, all invented: difficult ones for spreadsheets, XML and file systems, with plain ones between them."""

from random import Random

TRICKY = (
    'Müller & Töchter, "Logistik" GmbH',
    "=1+1 Trading",
    "+49 Versand",
    "株式会社テスト",
    "First line,\nsecond line\nthird line",
    "Smith, Jones & Co., Ltd.",
    "O'Neil <Edge> Freight",
    "@SUM(A1) Imports",
    "-7 Cold Storage",
    'Quote "within" quote',
    "Ünïcødé Ω Handels-AG",
    "Two\r\nline breaks",
    "Tab\there",
    "خدمات التجارة",
    "Naïve café, s.r.o.",
    "Semicolon; Transport",
    "100% Bio",
    "'Apostrophe first",
    "Zero 00123",
    "Emoji 🚚 Cargo",
    " leading and trailing ",
    "NULL",
    "a" * 120,
)
_FIRST = (
    *("Nord", "Süd", "Harbor", "Summit", "Blue", "Granite", "Prairie", "Vega", "Orion", "Delta", "Linden", "Alder"),
)
_SECOND = (
    *("Freight", "Retail", "Supply", "Foods", "Textiles", "Paper", "Optics", "Tools", "Pharma", "Motors", "Toys"),
)


def mailbox_names(count: int, rng: Random) -> list[str]:
    """`count` different names; every other one is a difficult one as long as there are any."""
    names: list[str] = []
    tricky = iter(TRICKY)
    while len(names) < count:
        name = next(tricky, None) if len(names) % 2 else None
        if name is None:
            name = f"{rng.choice(_FIRST)} {rng.choice(_SECOND)} {len(names) + 1:02d}"
        names.append(name)
    return names
