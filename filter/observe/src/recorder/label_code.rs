//! Every label value as a number, and the text of each number.
//!
//! A [`Code`] has 20 bits: the [`Kind`] in the upper 5, the value within the kind in the lower 15. Different label values
//! have different codes, and no code is 0. **Cost:** a few instructions, no allocation.

mod budgeted;

use super::budget::Name;
use super::budgets::Budgets;
use crate::config::Config;
use crate::label::{
    BudgetedLabel, Direction, ErrorType, KnownMethod, ListChange, Method, MirrorHeader, ProtocolVersion,
    RateLimitOutcome, ServerRequestStatus, SkipReason, Status, StreamOpen, TaskStatus, Transport, UNKNOWN_CLIENT,
    UnmatchedReason,
};

pub use budgeted::Server;
pub(super) use budgeted::{BudgetedValue, ClientName, ErrorCode, PromptName, ResourceUri, ToolName};

/// Bits of a [`Code`].
pub(super) const CODE_BITS: u32 = 20;
/// Bits of the value within its kind.
const VALUE_BITS: u32 = 15;
/// Bits of a name's index; the bits above it hold the [`BudgetedLabel`].
const NAME_BITS: u32 = 12;
/// The index of [`Name::Other`].
const OTHER_NAME: u16 = (1 << NAME_BITS) - 1;

const _: () = {
    assert!(Kind::ALL.len() < 1 << (CODE_BITS - VALUE_BITS));
    assert!(BudgetedLabel::ALL.len() <= 1 << (VALUE_BITS - NAME_BITS));
    assert!(Budgets::MAX_NAMES < OTHER_NAME as usize);
};

/// A label value; 0 is no value, see [`Code::ABSENT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Code(u32);

/// A type whose values are label values.
pub(super) trait LabelValue: Copy {
    /// The number of this value.
    fn code(self) -> Code;

    /// The text of all values.
    fn all() -> LabelValues;
}

/// The values that a label may take.
#[derive(Debug, Default)]
pub(super) struct LabelValues {
    /// Those that are known without any traffic.
    pub(super) fixed: Vec<&'static str>,
    /// The budget of the others.
    pub(super) budget: Option<BudgetedLabel>,
}

/// Declares [`Kind`] and the codes of the closed sets. The order of the kinds is their number.
macro_rules! kinds {
    (closed { $($set:ident,)+ } other { $($(#[$doc:meta])* $other:ident,)+ }) => {
        /// The kind of a label value. The value within the kind is an index, or 0 if the kind has one value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        enum Kind {
            $(#[doc = concat!("A value of [`", stringify!($set), "`].")] $set,)+
            $($(#[$doc])* $other,)+
        }

        impl Kind {
            const ALL: &[Self] = &[$(Self::$set,)+ $(Self::$other,)+];

            /// The text of a value of a closed set; `None` for the other kinds.
            fn closed_text(self, index: usize) -> Option<&'static str> {
                match self {
                    $(Self::$set => $set::ALL.get(index).map(|value| value.as_str()),)+
                    _ => None,
                }
            }
        }

        $(impl LabelValue for $set {
            #[inline]
            fn code(self) -> Code {
                Code::new(Kind::$set, self as u16)
            }

            fn all() -> LabelValues {
                LabelValues::fixed($set::ALL.iter().map(|value| value.as_str()))
            }
        })+

        /// The closed sets by the name of their type.
        pub(super) fn closed_sets() -> Vec<(&'static str, LabelValues)> {
            vec![$((stringify!($set), $set::all())),+]
        }

        /// Every code of the closed sets.
        #[cfg(test)]
        fn closed_codes() -> Vec<Code> {
            [$($set::ALL.iter().map(|value| value.code()).collect::<Vec<_>>()),+].concat()
        }
    };
}

kinds! {
    closed {
    KnownMethod,
    Status,
    ErrorType,
    Direction,
    SkipReason,
    ProtocolVersion,
    Transport,
    StreamOpen,
    ServerRequestStatus,
    TaskStatus,
    UnmatchedReason,
    MirrorHeader,
    BudgetedLabel,
    ListChange,
    RateLimitOutcome,
    }
    other {
    /// A method of `extra_methods`, by its index there.
    ExtraMethod,
    /// [`Method::Other`].
    OtherMethod,
    /// [`Method::Unseen`].
    UnseenMethod,
    /// [`AnsweredMethod::NONE`].
    NoMethod,
    /// A name under a budget: the budgeted label and the index of the name.
    Name,
    /// [`Client::Unknown`].
    UnknownClient,
    /// A rule of `rate_limit`, by its place there.
    Rule,
    /// The version of the filter.
    FilterVersion,
    /// The empty text.
    Empty,
    }
}

// === impl Code ===

impl Code {
    /// The label is left out of the series.
    pub(super) const ABSENT: Self = Self(0);

    #[inline]
    fn new(kind: Kind, value: u16) -> Self {
        Self((kind as u32 + 1) << VALUE_BITS | u32::from(value))
    }

    #[inline]
    fn name(label: BudgetedLabel, name: Name) -> Self {
        let index = if let Name::Admitted(index) = name { index } else { OTHER_NAME };
        Self::new(Kind::Name, (label as u16) << NAME_BITS | index)
    }

    /// In [`CODE_BITS`] bits.
    #[inline]
    pub(super) fn bits(self) -> u32 {
        self.0
    }

    /// Reads what [`Code::bits`] returned.
    pub(super) fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The label value; `None` for [`Code::ABSENT`].
    pub(super) fn text<'a>(self, budgets: &'a Budgets, config: &'a Config) -> Option<&'a str> {
        let kind = *Kind::ALL.get((self.0 >> VALUE_BITS).checked_sub(1)? as usize)?;
        let value = (self.0 & ((1 << VALUE_BITS) - 1)) as u16;
        Some(match kind {
            Kind::ExtraMethod => Method::Extra(u8::try_from(value).unwrap_or(u8::MAX)).as_str(&config.extra_methods),
            Kind::OtherMethod => Method::Other.as_str(&[]),
            Kind::UnseenMethod => Method::Unseen.as_str(&[]),
            Kind::NoMethod => AnsweredMethod::NONE,
            Kind::UnknownClient => UNKNOWN_CLIENT,
            Kind::Name => {
                let label = *BudgetedLabel::ALL.get(usize::from(value >> NAME_BITS))?;
                let index = value & OTHER_NAME;
                budgets.text(label, if index == OTHER_NAME { Name::Other } else { Name::Admitted(index) })
            }
            Kind::Rule => &config.rate_limit.as_ref()?.rules.get(usize::from(value))?.name,
            Kind::FilterVersion => env!("CARGO_PKG_VERSION"),
            Kind::Empty => "",
            closed => closed.closed_text(value.into())?,
        })
    }
}

// === impl LabelValues ===

impl LabelValues {
    fn fixed(values: impl IntoIterator<Item = &'static str>) -> Self {
        Self { fixed: values.into_iter().collect(), budget: None }
    }

    fn and(mut self, value: &'static str) -> Self {
        self.fixed.push(value);
        self
    }
}

// === impl LabelValue ===

impl LabelValue for Method {
    #[inline]
    fn code(self) -> Code {
        match self {
            Self::Known(method) => method.code(),
            Self::Extra(index) => Code::new(Kind::ExtraMethod, index.into()),
            Self::Other => Code::new(Kind::OtherMethod, 0),
            Self::Unseen => Code::new(Kind::UnseenMethod, 0),
        }
    }

    fn all() -> LabelValues {
        KnownMethod::all().and(Self::Other.as_str(&[])).and(Self::Unseen.as_str(&[]))
    }
}

/// An absent value is the empty text.
impl<T: LabelValue> LabelValue for Option<T> {
    #[inline]
    fn code(self) -> Code {
        self.map_or_else(|| Code::new(Kind::Empty, 0), T::code)
    }

    fn all() -> LabelValues {
        T::all().and("")
    }
}

/// The method of the operation that an error answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct AnsweredMethod(pub(super) Option<Method>);

impl AnsweredMethod {
    const NONE: &str = "none";
}

impl LabelValue for AnsweredMethod {
    /// `none` if the error answers no operation.
    #[inline]
    fn code(self) -> Code {
        self.0.map_or_else(|| Code::new(Kind::NoMethod, 0), Method::code)
    }

    fn all() -> LabelValues {
        Method::all().and(Self::NONE)
    }
}

/// The client of an operation or a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// It gave no name. This value takes no place of the budget.
    Unknown,
    /// A name under the budget.
    Named(ClientName),
}

impl LabelValue for Client {
    #[inline]
    fn code(self) -> Code {
        match self {
            Self::Unknown => Code::new(Kind::UnknownClient, 0),
            Self::Named(name) => name.code(),
        }
    }

    fn all() -> LabelValues {
        ClientName::all().and(UNKNOWN_CLIENT)
    }
}

/// The name of a rule of `rate_limit`, by its place there.
#[derive(Clone, Copy, Debug)]
pub(super) struct RuleName(pub(super) u8);

impl LabelValue for RuleName {
    #[inline]
    fn code(self) -> Code {
        Code::new(Kind::Rule, self.0.into())
    }

    /// The names are in the configuration.
    fn all() -> LabelValues {
        LabelValues::default()
    }
}

/// The version of the filter.
#[derive(Clone, Copy, Debug)]
pub(super) struct FilterVersion;

impl LabelValue for FilterVersion {
    #[inline]
    fn code(self) -> Code {
        Code::new(Kind::FilterVersion, 0)
    }

    fn all() -> LabelValues {
        LabelValues::fixed([env!("CARGO_PKG_VERSION")])
    }
}

#[cfg(test)]
mod tests;
