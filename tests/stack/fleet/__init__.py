"""The number of series of a sidecar, computed from the filter's tables, and fleets of sidecars to compare it with."""
