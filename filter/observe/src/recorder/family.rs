//! What a metric family is, and the macro that makes the table of families.

use super::series::Series;
pub use crate::host::MetricKind;

/// One metric family as Envoy shows it.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// The name, with its unit. Durations are in microseconds here and in seconds after the collector.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: MetricKind,
    /// Label names, in the order in which the name of the stat has them.
    pub labels: &'static [&'static str],
    /// Labels that a setting leaves out, after the others.
    pub optional_labels: &'static [&'static str],
    /// Upper bounds of a histogram's buckets, in the unit of the name; empty for the other kinds.
    pub bounds: &'static [u64],
    /// What the family counts, in one sentence.
    pub help: &'static str,
}

/// Bounds of operations and first events, microseconds: OpenTelemetry's MCP bounds with three finer ones.
pub(super) const OPERATION_BOUNDS: &[u64] = &[
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
];

/// Bounds of what people decide, sessions and requests of the server, microseconds.
pub(super) const PEOPLE_BOUNDS: &[u64] = &[
    1_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    900_000_000,
    3_600_000_000,
    14_400_000_000,
    86_400_000_000,
];

/// Bounds of message sizes, bytes.
pub(super) const SIZE_BOUNDS: &[u64] = &[256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304];

/// The labels of one family with their values.
pub(super) trait Labels: Copy {
    /// The series that has these label values.
    fn series(self) -> Series;
}

/// The labels of a counter.
pub(super) trait Counter: Labels {}

/// The labels of a gauge.
pub(super) trait Gauge: Labels {}

/// The labels of a histogram.
pub(super) trait Histogram: Labels {}

/// Declares `FamilyName`, `FAMILIES` and, for each family, a struct with one field per label.
///
/// A row is `Name: Kind "name" { label: Type, ... } optional { label: Type } bounds BOUNDS "help";`.
macro_rules! families {
    ($($id:ident: $kind:ident $name:literal { $($label:ident: $value:ty),* $(,)? }
        $(optional { $optional:ident: $optional_value:ty })? $(bounds $bounds:ident)? $help:literal;)+) => {
        /// Names one family of [`FAMILIES`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub(super) enum FamilyName { $(#[doc = $help] $id,)+ }

        impl FamilyName {
            /// Every family, in the order of the table.
            pub(super) const ALL: &[Self] = &[$(Self::$id,)+];

            /// The family of a series; `None` for a number that [`Series::new`] did not make.
            pub(super) fn of(series: Series) -> Option<Self> {
                Self::ALL.get(series.family()).copied()
            }

            /// Such as `mcp_requests_total`.
            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$id => $name,)+ }
            }

            /// Counter, gauge or histogram.
            pub(super) const fn kind(self) -> MetricKind {
                match self { $(Self::$id => MetricKind::$kind,)+ }
            }

            /// Label names in their order, those that a setting leaves out included.
            pub(super) const fn labels(self) -> &'static [&'static str] {
                match self { $(Self::$id => &[$(stringify!($label),)* $(stringify!($optional))?],)+ }
            }

            /// Label names with the values that each may take.
            pub(super) fn label_values(self) -> Vec<(&'static str, LabelValues)> {
                match self {
                    $(Self::$id => vec![
                        $((stringify!($label), <$value>::all()),)* $((stringify!($optional), <$optional_value>::all()))?
                    ],)+
                }
            }
        }

        /// Every family, in the order of the documentation.
        pub static FAMILIES: &[Family] = &[$(Family {
            name: $name,
            kind: MetricKind::$kind,
            labels: &[$(stringify!($label)),*],
            optional_labels: &[$(stringify!($optional))?],
            bounds: [$($bounds,)? &[]][0],
            help: $help,
        },)+];

        $(
            #[doc = concat!("The labels of `", $name, "`.")]
            #[derive(Clone, Copy, Debug)]
            pub(super) struct $id {
                $(pub(super) $label: $value,)*
                $(pub(super) $optional: Option<$optional_value>,)?
            }

            impl Labels for $id {
                #[inline]
                fn series(self) -> Series {
                    const { assert!(FamilyName::$id.labels().len() <= MAX_LABELS) };
                    let codes = [$(self.$label.code(),)* $(self.$optional.map_or(Code::ABSENT, |value| value.code()))?];
                    Series::new(FamilyName::$id as u8, &codes)
                }
            }

            impl $kind for $id {}
        )+
    };
}

pub(super) use families;
