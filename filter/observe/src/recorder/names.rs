//! Which value of a label stands for a name, and when that counts as an overflow.

use super::series::Value;
use super::{Recorder, Server, initial};
use crate::config::ServerNameFrom;
use crate::host::SharedData;
use crate::label::BudgetedLabel;
use crate::recorder::budget::{Admission, Name};
use crate::recorder::families::FamilyName;

// === impl Recorder ===

impl Recorder {
    pub(super) fn error_code(&mut self, code: Option<i64>, server: Server, shared: &dyn SharedData) -> Value {
        let text = code.map(|code| code.to_string());
        self.name(BudgetedLabel::ErrorCode, text.as_deref(), true, server, shared)
    }

    /// The same for a code that was counted before.
    pub(super) fn known_error_code(&mut self, code: Option<i64>, server: Server, shared: &dyn SharedData) -> Value {
        let label = BudgetedLabel::ErrorCode;
        let place = |code: i64| self.place(label, &code.to_string(), true, server, shared).name;
        Value::Name(label, code.map_or(Name::Other, place))
    }

    /// The label value for a name that something is counted under; one that was never given is `other` without being an
    /// overflow. Of one operation each label is asked for once here, because a value that was replaced counts once.
    pub(super) fn name(
        &mut self,
        label: BudgetedLabel,
        name: Option<&str>,
        confirmed: bool,
        server: Server,
        shared: &dyn SharedData,
    ) -> Value {
        let Some(text) = name else { return Value::Name(label, Name::Other) };
        let Admission { name, overflowed, .. } = self.place(label, text, confirmed, server, shared);
        if overflowed {
            self.overflowed(label, server);
        }
        Value::Name(label, name)
    }

    /// Gives a name its place, if there is one. That there is none is no overflow yet: nothing was replaced.
    pub(super) fn place(
        &mut self,
        label: BudgetedLabel,
        text: &str,
        confirmed: bool,
        server: Server,
        shared: &dyn SharedData,
    ) -> Admission {
        let admission = self.names.of(label).admit(text, confirmed, Some(shared));
        let name = admission.name;
        let by_cluster = self.config.server_name_from == ServerNameFrom::Cluster;
        if if by_cluster { self.born.insert((label, name, server)) } else { admission.is_new } {
            let stats = &mut self.stats;
            initial::of_name(label, Value::Name(label, name), server.value(), &mut |family, values| {
                stats.add(family, values, 0);
            });
        }
        admission
    }

    pub(super) fn overflowed(&mut self, label: BudgetedLabel, server: Server) {
        self.add(FamilyName::LabelsOverflowed, &[Value::Label(label), server.value()], 1);
    }
}
