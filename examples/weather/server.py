"""A small MCP server about the weather. Its data is in this folder and never changes.

It has one tool for each kind of response: quick, slow, failed (`isError`), refused with a JSON-RPC error, large, and with progress
notifications.

    HOST=127.0.0.1 PORT=8000 python server.py     on HTTP
    python server.py stdio                        on standard input and output
"""

import json
import os
import random
import sys
from pathlib import Path

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError, ToolError
from mcp.shared.exceptions import MCPError

DATA = Path(__file__).parent / "data"
CITIES = json.loads((DATA / "cities.json").read_text(encoding="utf-8"))

ANALYSIS_SECONDS = 0.3
RADAR_SIDE = 256
STORM_STEPS = 5
# A code from JSON-RPC's range for servers, to which MCP gives no meaning.
QUOTA_EXCEEDED = -32000

server = MCPServer("weather", version="1.0.0", instructions="Ask for a city from weather://cities.", log_level="WARNING")


def city_named(name: str) -> dict:
    """Returns the city. Raises an error that the model can read and correct if it is unknown."""
    city = CITIES.get(name.lower())
    if city is None:
        raise ToolError(f"no city {name!r}; known are {', '.join(CITIES)}")
    return city


# === Tools ===


@server.tool(structured_output=False)
def get_forecast(city: str, days: int = 1) -> str:
    """Forecast for one to three days."""
    lines = [f"{city}, day {number}: {day['sky']}, {day['low_c']} to {day['high_c']} C, {day['rain_mm']} mm"
             for number, day in enumerate(city_named(city)["days"][:days])]
    return "\n".join(lines)


@server.tool()
async def analyse_climate(city: str) -> dict[str, float]:
    """Averages of a city. Takes about 300 ms."""
    await anyio.sleep(ANALYSIS_SECONDS)
    days = city_named(city)["days"]
    return {"mean_high_c": sum(day["high_c"] for day in days) / len(days), "rain_mm": sum(day["rain_mm"] for day in days)}


@server.tool()
def read_station(city: str) -> str:
    """Latest reading of a city's station. Every station is down, so this always fails."""
    raise ToolError(f"station {city_named(city)['station']} has sent nothing for a day")


@server.tool(structured_output=False)
def get_radar(city: str) -> str:
    """Rain radar around a city: 256 lines of 256 intensities in hexadecimal, about 200 KB."""
    noise = random.Random(city_named(city)["station"])
    return "\n".join(noise.randbytes(RADAR_SIDE).hex(",") for _ in range(RADAR_SIDE))


@server.tool()
def order_report(city: str) -> str:
    """A printed report. The quota is spent, so the call is refused with a JSON-RPC error instead of a result."""
    city_named(city)
    raise MCPError(QUOTA_EXCEEDED, "the quota of printed reports is spent")


@server.tool(structured_output=False)
async def track_storm(city: str, context: Context) -> str:
    """Follows a storm for a moment and reports each step as progress."""
    city_named(city)
    for step in range(1, STORM_STEPS + 1):
        await context.report_progress(step, STORM_STEPS, f"{100 - 10 * step} km away")
        await anyio.sleep(0.02)
    return f"the storm passed {city} at 50 km"


# === Resources ===


@server.resource("weather://cities", mime_type="application/json")
def cities() -> str:
    """Every city this server knows."""
    return json.dumps(list(CITIES), ensure_ascii=False)


@server.resource("weather://guide", mime_type="text/markdown")
def guide() -> str:
    """How to read a forecast."""
    return (DATA / "guide.md").read_text(encoding="utf-8")


@server.resource("weather://cities/{city}/today", mime_type="application/json")
def today(city: str) -> str:
    """Today's weather in a city."""
    if city not in CITIES:
        raise ResourceNotFoundError(f"no city {city!r}")
    return json.dumps(CITIES[city]["days"][0])


# === Prompts ===


@server.prompt()
def plan_day(city: str) -> str:
    """Plan a day outdoors."""
    return f"Read weather://cities/{city}/today and propose a plan for a day outdoors in {city}."


@server.prompt()
def compare_cities(first: str, second: str) -> str:
    """Compare the weather of two cities."""
    return f"Call get_forecast for {first} and for {second}, and say in one sentence where it is nicer."


if __name__ == "__main__":
    if sys.argv[1:] == ["stdio"]:
        server.run("stdio")
    else:
        server.run("streamable-http", host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "8000")))
