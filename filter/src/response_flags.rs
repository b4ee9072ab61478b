//! Envoy's response flags (`CoreResponseFlag`), each as its bit in the property `response.flags`. Checked on Envoy 1.40.

use mcp_observe::Failure;

const NO_HEALTHY_UPSTREAM: u64 = 1 << 1;
const UPSTREAM_REQUEST_TIMEOUT: u64 = 1 << 2;
const LOCAL_RESET: u64 = 1 << 3;
const UPSTREAM_REMOTE_RESET: u64 = 1 << 4;
const UPSTREAM_CONNECTION_FAILURE: u64 = 1 << 5;
const UPSTREAM_CONNECTION_TERMINATION: u64 = 1 << 6;
const UPSTREAM_OVERFLOW: u64 = 1 << 7;
const RATE_LIMITED: u64 = 1 << 11;
const DOWNSTREAM_CONNECTION_TERMINATION: u64 = 1 << 14;
const STREAM_IDLE_TIMEOUT: u64 = 1 << 16;
const DOWNSTREAM_PROTOCOL_ERROR: u64 = 1 << 18;
const UPSTREAM_MAX_STREAM_DURATION_REACHED: u64 = 1 << 19;
const DURATION_TIMEOUT: u64 = 1 << 22;
const UPSTREAM_PROTOCOL_ERROR: u64 = 1 << 23;
const NO_CLUSTER_FOUND: u64 = 1 << 24;
const OVERLOAD_MANAGER: u64 = 1 << 25;
const DNS_RESOLUTION_FAILED: u64 = 1 << 26;
const DOWNSTREAM_REMOTE_RESET: u64 = 1 << 28;

const TIMEOUT: u64 =
    UPSTREAM_REQUEST_TIMEOUT | STREAM_IDLE_TIMEOUT | DURATION_TIMEOUT | UPSTREAM_MAX_STREAM_DURATION_REACHED;
const OVERLOAD: u64 = UPSTREAM_OVERFLOW | OVERLOAD_MANAGER;
const UNAVAILABLE: u64 = UPSTREAM_CONNECTION_FAILURE | NO_HEALTHY_UPSTREAM | NO_CLUSTER_FOUND | DNS_RESOLUTION_FAILED;
const UPSTREAM_RESET: u64 =
    UPSTREAM_CONNECTION_TERMINATION | UPSTREAM_REMOTE_RESET | UPSTREAM_PROTOCOL_ERROR | LOCAL_RESET;
const CLIENT_RESET: u64 = DOWNSTREAM_CONNECTION_TERMINATION | DOWNSTREAM_REMOTE_RESET | DOWNSTREAM_PROTOCOL_ERROR;

/// The reason for the end of the exchange. If several flags are set, those for decisions of the proxy come before those for
/// events that it observed.
pub(crate) fn failure(flags: u64) -> Option<Failure> {
    let reasons = [
        (TIMEOUT, Failure::Timeout),
        (OVERLOAD, Failure::Overload),
        (RATE_LIMITED, Failure::RateLimited),
        (UNAVAILABLE, Failure::Unavailable),
        (UPSTREAM_RESET, Failure::UpstreamReset),
        (CLIENT_RESET, Failure::ClientReset),
        (u64::MAX, Failure::Other),
    ];
    reasons.into_iter().find(|(bits, _)| flags & bits != 0).map(|(_, failure)| failure)
}
