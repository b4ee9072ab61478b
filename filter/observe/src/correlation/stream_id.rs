//! Identifies an open stream in the correlation store.

use serde::{Deserialize as _, Deserializer, Serializer};
use std::num::NonZeroU64;

/// An open stream. [`Correlation::new_stream_id`](super::Correlation::new_stream_id) makes one for a stream of Streamable
/// HTTP, [`SessionKey::stream_id`](super::SessionKey::stream_id) gives that of a session of HTTP+SSE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamId(NonZeroU64);

impl StreamId {
    /// The hash 0, which one stream in 2^64 has, becomes 1.
    pub(crate) fn of_hash(hash: u64) -> Self {
        Self(NonZeroU64::new(hash).unwrap_or(NonZeroU64::MIN))
    }
}

/// Writes 0 for no stream: the tag of an `Option` would add one byte to each link.
pub(super) fn serialize<S: Serializer>(stream: &Option<StreamId>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(stream.map_or(0, |stream| stream.0.get()))
}

/// Reads what [`serialize`] writes.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<StreamId>, D::Error> {
    u64::deserialize(deserializer).map(|number| NonZeroU64::new(number).map(StreamId))
}
