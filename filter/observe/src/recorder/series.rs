//! A series as a small value, and its name as Envoy's stat.

use super::AllNames;
use crate::closed::{BudgetedLabel, Direction, ErrorType, MirrorHeader, Revision, SkipReason, Status, Transport};
use crate::config::Config;
use crate::family::FamilyName;
use crate::label::Name;
use crate::method::Method;

/// Most labels of a family.
const MOST_LABELS: usize = 6;

/// A label's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    Method(Method),
    /// `none`: an error that answers no operation.
    NoMethod,
    Status(Status),
    ErrorType(Option<ErrorType>),
    Direction(Direction),
    Reason(SkipReason),
    Revision(Revision),
    StreamableHttp,
    Mirror(MirrorHeader),
    Label(BudgetedLabel),
    Name(BudgetedLabel, Name),
    /// Empty.
    NoName,
    FilterVersion,
}

/// A family with the values of its labels, in the family's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Series {
    family: FamilyName,
    values: [Option<Value>; MOST_LABELS],
}

// === impl Series ===

impl Series {
    pub(crate) fn new(family: FamilyName, values: &[Value]) -> Self {
        let mut slots = [None; MOST_LABELS];
        for (slot, &value) in slots.iter_mut().zip(values) {
            *slot = Some(value);
        }
        Self { family, values: slots }
    }

    pub(crate) fn family(&self) -> FamilyName {
        self.family
    }

    /// `label=.=value;.;` for each label, then the family.
    pub(crate) fn stat_name(&self, names: &AllNames, config: &Config) -> String {
        let family = self.family.family();
        // The one label that is there only when it is switched on.
        let labels = family.labels.iter().copied().chain(["client_name"]);
        let mut stat = String::with_capacity(160);
        for (label, value) in labels.zip(self.values.iter().flatten()) {
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
    fn text<'a>(&self, names: &'a AllNames, config: &'a Config) -> &'a str {
        match *self {
            Self::Method(method) => method.as_str(config),
            Self::NoMethod => "none",
            Self::Status(status) => status.as_str(),
            Self::ErrorType(error_type) => error_type.map_or("", ErrorType::as_str),
            Self::Direction(direction) => direction.as_str(),
            Self::Reason(reason) => reason.as_str(),
            Self::Revision(revision) => revision.as_str(),
            Self::StreamableHttp => Transport::StreamableHttp.as_str(),
            Self::Mirror(header) => header.as_str(),
            Self::Label(label) => label.as_str(),
            Self::Name(label, name) => names.get(label).text(name),
            Self::NoName => "",
            Self::FilterVersion => env!("CARGO_PKG_VERSION"),
        }
    }
}
