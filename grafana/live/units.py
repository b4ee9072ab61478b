"""Numbers as Grafana writes them, for the units that the dashboard uses."""


def written(value: float, unit: str, decimals: int | None = None) -> str:
    match unit:
        case "s":
            return _seconds(value)
        case "percentunit":
            return f"{value * 100:.{1 if decimals is None else decimals}f}%"
        case "bytes":
            return _scaled(value, 1024, ["B", "KiB", "MiB", "GiB"], decimals)
        case "Bps":
            return _scaled(value, 1000, ["B/s", "kB/s", "MB/s", "GB/s"], decimals)
        case "reqps":
            return f"{_plain(value)} req/s"
        case "cps":
            return f"{_plain(value)} c/s"
        case "short":
            return _scaled(value, 1000, ["", "K", "Mil"], decimals)
        case "locale":
            return f"{value:,.0f}"
    raise ValueError(f"unit {unit!r}; known are s, percentunit, bytes, Bps, reqps, cps, short, locale")


def _seconds(value: float) -> str:
    for limit, factor, name in ((0.001, 1e6, "µs"), (1, 1e3, "ms"), (60, 1, "s"), (3600, 1 / 60, "min")):
        if value < limit:
            return f"{_plain(value * factor)} {name}"
    return f"{_plain(value / 3600)} h"


def _scaled(value: float, base: int, names: list[str], decimals: int | None) -> str:
    index = 0
    while value >= base and index < len(names) - 1:
        value, index = value / base, index + 1
    number = _plain(value) if decimals is None else f"{value:.{decimals}f}"
    return f"{number} {names[index]}".strip()


def _plain(value: float) -> str:
    """Three digits that matter."""
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
