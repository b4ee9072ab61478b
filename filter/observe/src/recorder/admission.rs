//! Names become label values here, under their budgets.

use super::budget::{Admission, Name};
use super::families::LabelsOverflowed;
use super::label_code::{BudgetedValue, ErrorCode, Server};
use super::{Recorder, initial};
use crate::config::ServerNameFrom;
use crate::host::SharedData;
use crate::label::BudgetedLabel;
use crate::read::message::RpcErrorCode;

// === impl Recorder ===

impl Recorder {
    /// The label value of an error code; one that is not a whole number is `other` without being an overflow.
    pub(super) fn error_code(&mut self, code: RpcErrorCode, server: Server, shared: &dyn SharedData) -> ErrorCode {
        let text = code.integer().map(|code| code.to_string());
        self.name(text.as_deref(), true, server, shared)
    }

    /// [`error_code`](Self::error_code) for a code that was counted before: an overflow is not counted again.
    pub(super) fn known_error_code(
        &mut self,
        code: RpcErrorCode,
        server: Server,
        shared: &dyn SharedData,
    ) -> ErrorCode {
        let text = code.integer().map(|code| code.to_string());
        self.known_name(text.as_deref(), server, shared)
    }

    /// The label value of a name. A missing name is `other` without being an overflow.
    ///
    /// Call it once per operation and label: each call with a name without room counts as an overflow.
    pub(super) fn name<V: BudgetedValue>(
        &mut self,
        name: Option<&str>,
        confirmed: bool,
        server: Server,
        shared: &dyn SharedData,
    ) -> V {
        let Some(text) = name else { return V::new(Name::Other) };
        let Admission { name, overflowed, .. } = self.admit(V::LABEL, text, confirmed, server, shared);
        if overflowed {
            self.overflowed(V::LABEL, server);
        }
        V::new(name)
    }

    /// [`name`](Self::name) for a name that was counted before: an overflow is not counted again.
    pub(super) fn known_name<V: BudgetedValue>(
        &mut self,
        name: Option<&str>,
        server: Server,
        shared: &dyn SharedData,
    ) -> V {
        V::new(name.map_or(Name::Other, |text| self.admit(V::LABEL, text, true, server, shared).name))
    }

    /// Admits a name to the budget of its label if there is room, and makes its initial series. Does not count an overflow.
    pub(super) fn admit(
        &mut self,
        label: BudgetedLabel,
        text: &str,
        confirmed: bool,
        server: Server,
        shared: &dyn SharedData,
    ) -> Admission {
        let admission = self.budgets.admit(label, text, confirmed, Some(shared));
        let name = admission.name;
        // With many servers, a name that one of them has may be new on another.
        let by_cluster = self.config.server_name_from == ServerNameFrom::Cluster;
        let is_new = if by_cluster { self.has_initial_series.insert((label, name, server)) } else { admission.is_new };
        if is_new {
            let stats = &mut self.stats;
            initial::of_name(label, name, server, &mut |series| stats.change(series, 0));
        }
        admission
    }

    /// Counts a label value that `other` replaced.
    pub(super) fn overflowed(&mut self, label: BudgetedLabel, server_name: Server) {
        self.count(LabelsOverflowed { label, server_name }, 1);
    }
}
