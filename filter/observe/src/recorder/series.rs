//! A series as a small value, and its name as Envoy's stat.

use super::budgets::Budgets;
use crate::config::Config;
use crate::label::Method;
use crate::label::{
    BudgetedLabel, Direction, ErrorType, ListChange, MirrorHeader, ProtocolVersion, ServerRequestStatus, SkipReason,
    Status, StreamOpen, TaskStatus, Transport, UnmatchedReason,
};
use crate::recorder::budget::Name;
use crate::recorder::families::FamilyName;

/// Bits of [`Value::code`]: those of six labels and the family fit into 128.
const VALUE_BITS: u32 = 20;

/// A label's value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Method(Method),
    /// `none`: an error that answers no operation.
    NoMethod,
    Status(Status),
    ErrorType(Option<ErrorType>),
    Direction(Direction),
    Reason(SkipReason),
    ProtocolVersion(ProtocolVersion),
    Transport(Transport),
    StreamOpen(StreamOpen),
    ServerRequest(ServerRequestStatus),
    Task(TaskStatus),
    Unmatched(UnmatchedReason),
    Mirror(MirrorHeader),
    Label(BudgetedLabel),
    Change(ListChange),
    Name(BudgetedLabel, Name),
    /// Empty.
    NoName,
    FilterVersion,
}

/// Family and values in one number, different for different series: what is looked up for every observation.
#[inline]
pub(super) fn key(family: FamilyName, values: &[Value]) -> u128 {
    values.iter().fold(family as u128, |key, value| key << VALUE_BITS | u128::from(value.code()))
}

/// A family with the values of its labels, in the family's order.
#[derive(Clone, Debug)]
pub(super) struct Series {
    family: FamilyName,
    values: Box<[Value]>,
}

// === impl Series ===

impl Series {
    pub(super) fn new(family: FamilyName, values: &[Value]) -> Self {
        Self { family, values: values.into() }
    }

    pub(super) fn family(&self) -> FamilyName {
        self.family
    }

    /// `label=.=value;.;` for each label, then the family.
    pub(super) fn stat_name(&self, names: &Budgets, config: &Config) -> String {
        let family = self.family.family();
        // The one label that is there only when it is switched on.
        let labels = family.labels.iter().copied().chain(["client_name"]);
        let mut stat = String::with_capacity(160);
        for (label, value) in labels.zip(&self.values) {
            stat.push_str(label);
            stat.push_str("=.=");
            stat.push_str(value.text(names, config));
            stat.push_str(";.;");
        }
        stat.push_str(family.name);
        stat
    }
}

// === impl Value ===

impl Value {
    /// A number of its own for each value, in [`VALUE_BITS`] bits and never 0: the kind above, the value below.
    #[inline]
    fn code(self) -> u32 {
        let (kind, value) = match self {
            Self::Method(Method::Known(method)) => (1, method as u16),
            Self::Method(Method::Extra(index)) => (2, index.into()),
            Self::Method(Method::Other) => (3, 0),
            Self::Method(Method::Unseen) => (3, 1),
            Self::NoMethod => (4, 0),
            Self::Status(status) => (5, status as u16),
            Self::ErrorType(None) => (6, 0),
            Self::ErrorType(Some(error_type)) => (7, error_type as u16),
            Self::Direction(direction) => (8, direction as u16),
            Self::Reason(reason) => (9, reason as u16),
            Self::ProtocolVersion(protocol_version) => (10, protocol_version as u16),
            Self::Transport(transport) => (11, transport as u16),
            Self::Mirror(header) => (12, header as u16),
            Self::Label(label) => (13, label as u16),
            Self::NoName => (14, 0),
            Self::FilterVersion => (15, 0),
            Self::StreamOpen(status) => (27, status as u16),
            Self::Change(change) => (28, change as u16),
            Self::Name(label, Name::Other) => (16, label as u16),
            Self::ServerRequest(status) => (29, status as u16),
            Self::Task(status) => (30, status as u16),
            Self::Unmatched(reason) => (31, reason as u16),
            // Budgets end far below 2^15, see `limits` in the configuration.
            Self::Name(label, Name::Admitted(index)) => (17 + label as u32, index),
        };
        kind << 15 | u32::from(value & 0x7fff)
    }

    fn text<'a>(&self, names: &'a Budgets, config: &'a Config) -> &'a str {
        match *self {
            Self::Method(method) => method.as_str(&config.extra_methods),
            Self::NoMethod => "none",
            Self::Status(status) => status.as_str(),
            Self::ErrorType(error_type) => error_type.map_or("", ErrorType::as_str),
            Self::Direction(direction) => direction.as_str(),
            Self::Reason(reason) => reason.as_str(),
            Self::ProtocolVersion(protocol_version) => protocol_version.as_str(),
            Self::Transport(transport) => transport.as_str(),
            Self::StreamOpen(status) => status.as_str(),
            Self::ServerRequest(status) => status.as_str(),
            Self::Task(status) => status.as_str(),
            Self::Unmatched(reason) => reason.as_str(),
            Self::Mirror(header) => header.as_str(),
            Self::Label(label) => label.as_str(),
            Self::Change(change) => change.as_str(),
            Self::Name(label, name) => names.get(label).text(name),
            Self::NoName => "",
            Self::FilterVersion => env!("CARGO_PKG_VERSION"),
        }
    }
}
