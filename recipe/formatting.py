"""Numbers -> words, one way for the report and the model card; what is not known is a dash."""

# What is not known is a dash, never a zero.
NOT_KNOWN = "–"


def count(value: float | None) -> str:
    """A count with thousands separators: 1234567 -> "1,234,567"."""
    return NOT_KNOWN if value is None else f"{value:,.0f}"


def compact(value: float | None) -> str:
    """A large count in three digits: 5431234 -> "5.43 M"; below ten thousand as `count`."""
    if value is None or value < 10_000:
        return count(value)
    divisor, unit = next(
        (size, name) for size, name in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")) if value >= 0.9995 * size
    )
    scaled = value / divisor
    return f"{scaled:.{2 if scaled < 9.995 else 1 if scaled < 99.95 else 0}f} {unit}"


def percent(share: float | None, decimals: int = 1) -> str:
    """A share in 0..1 as percent: 0.123 -> "12.3 %"."""
    return NOT_KNOWN if share is None else f"{100 * share:.{decimals}f} %"


def fixed(value: float | None, decimals: int = 1) -> str:
    """A number with so many decimals: 1234.5 -> "1,234.5"."""
    return NOT_KNOWN if value is None else f"{value:,.{decimals}f}"


def plus_minus(mean: float | None, deviation: float | None) -> str:
    """Mean and standard deviation of shares in percent: "45.2 ± 0.8 %", or "45.2 %" of one value."""
    if mean is None or deviation is None:
        return percent(mean)
    return f"{100 * mean:.1f} ± {100 * deviation:.1f} %"


def points(difference: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * difference:+.1f} points".replace("-", "−")


def duration(seconds: float | None) -> str:
    """Seconds in the two largest units: 341.2 -> "5 min 41 s"."""
    if seconds is None:
        return NOT_KNOWN
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, smaller_size, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def minute(moment: str) -> str:
    """A time in ISO 8601, as records have it, to the minute: "2026-11-26 11:27 UTC"."""
    return f"{moment[:16].replace('T', ' ')} UTC"


def model_name(name: str) -> str:
    """A system of a task's results in words."""
    return name.replace("_", " ")


def score_name(name: str) -> str:
    """A score of a task in words: "f1" -> "F1", "seen.recall" -> "seen recall"."""
    return name.replace(".", " ").replace("_", " ").replace("f1", "F1")
