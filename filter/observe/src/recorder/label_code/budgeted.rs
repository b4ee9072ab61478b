//! The label values under a budget, one type for each label.

use super::{Code, LabelValue, LabelValues};
use crate::label::BudgetedLabel;
use crate::recorder::budget::Name;
use crate::recorder::budgets::Budgets;

/// A label value under a budget.
pub(in crate::recorder) trait BudgetedValue: LabelValue {
    /// The label whose budget it is under.
    const LABEL: BudgetedLabel;

    /// The value of a name that the budget admitted, or of `other`.
    fn new(name: Name) -> Self;
}

/// Declares one type for each label under a budget, so that a tool's name cannot become the name of a prompt.
macro_rules! budgeted_values {
    ($($(#[$doc:meta])* $vis:vis $value:ident of $label:ident,)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
            $vis struct $value(Name);

            impl LabelValue for $value {
                #[inline]
                fn code(self) -> Code {
                    Code::name(BudgetedLabel::$label, self.0)
                }

                fn all() -> LabelValues {
                    LabelValues { fixed: Vec::new(), budget: Some(BudgetedLabel::$label) }
                }
            }

            impl BudgetedValue for $value {
                const LABEL: BudgetedLabel = BudgetedLabel::$label;

                #[inline]
                fn new(name: Name) -> Self {
                    Self(name)
                }
            }
        )+

        /// Every code of the labels under a budget.
        #[cfg(test)]
        pub(super) fn budgeted_codes() -> Vec<Code> {
            let names = || (0..Budgets::MAX_NAMES as u16).map(Name::Admitted).chain([Name::Other]);
            [$(names().map(|name| $value::new(name).code()).collect::<Vec<_>>()),+].concat()
        }
    };
}

budgeted_values! {
    /// A tool.
    pub(in crate::recorder) ToolName of ToolName,
    /// A prompt.
    pub(in crate::recorder) PromptName of PromptName,
    /// A resource, in the form of its label.
    pub(in crate::recorder) ResourceUri of ResourceUri,
    /// `clientInfo.name`.
    pub(in crate::recorder) ClientName of ClientName,
    /// A JSON-RPC error code.
    pub(in crate::recorder) ErrorCode of ErrorCode,
    /// The server that an exchange belongs to.
    pub Server of ServerName,
}

// === impl Server ===

impl Server {
    /// Whether the budget had no room for the name of this server.
    pub(in crate::recorder) fn is_other(self) -> bool {
        self.0 == Name::Other
    }

    /// The name of the server.
    pub(in crate::recorder) fn text(self, budgets: &Budgets) -> &str {
        budgets.text(BudgetedLabel::ServerName, self.0)
    }
}
