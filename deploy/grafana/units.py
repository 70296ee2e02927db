"""Figures in words, as Grafana says them."""

_SPANS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def said(value: float, unit: str) -> str:
    """A value with its unit, short."""
    if unit == "percentunit":
        return f"{value * 100:.3g} %" if value < 1 else f"{value * 100:.0f} %"
    if unit == "currencyUSD":
        return f"$ {value:.2f}"
    if unit == "s":
        if 0 < abs(value) < 1:
            return f"{value * 1000:.3g} ms"
        size, word = next(((size, word) for size, word in _SPANS if abs(value) >= size), (1.0, "s"))
        return f"{value / size:.3g} {word}"
    number = f"{value:.0f}" if value >= 100 or value == round(value) else f"{value:.3g}"
    return number + unit.removeprefix("suffix:") if unit.startswith("suffix:") else number
