//! The observing core.
