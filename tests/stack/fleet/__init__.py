"""How many series a sidecar has, computed from the filter's tables, and fleets of sidecars to hold that against."""
