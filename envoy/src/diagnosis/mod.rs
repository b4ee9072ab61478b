//! What Envoy's log, statistics and answers mean for the operator, as messages with the next step.

mod answers;
mod notices;
mod tls_failure;
mod unreachable;

pub(crate) use notices::Notices;
pub(crate) use tls_failure::{ReportedTls, TlsFailure};
pub(crate) use unreachable::report_unreachable_server;
