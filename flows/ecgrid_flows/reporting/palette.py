"""Colours that people with any colour blindness can distinguish: Okabe and Ito, "Color Universal Design" (2008)."""

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, GREY = "#56B4E9", "#CC79A7", "#F0E442", "#7A7A7A"
PALETTE = (BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, GREY, YELLOW)
#: Of the models of pricing, the same in every chart, whichever of them it shows.
MODEL_COLOURS = {
    "unit": BLUE,
    "volume": ORANGE,
    "graduated": GREEN,
    "stairstep": VERMILION,
    "stacked_flat": PURPLE,
}
