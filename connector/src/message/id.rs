//! JSON-RPC ids and progress tokens: strings and numbers, compared by value.

use serde_json::Value;
use std::fmt;

/// An id, a progress token or a subscription id. Two are equal if their values are: `"\u0061"` is `"a"`, and `1.0` is `1`.
/// A program may write an id otherwise than it read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Id(Box<str>);

// === impl Id ===

impl Id {
    /// Reads JSON text. `None` unless it is a string or a number.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        // Most ids are small integers.
        let is_plain =
            |text: &str| text.len() < 16 && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_plain(text) && (text == "0" || !text.starts_with('0')) {
            return Some(Self(text.into()));
        }
        match serde_json::from_str(text).ok()? {
            Value::Number(number) => {
                let whole = number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < MAX_SAFE);
                Some(Self(whole.map_or_else(|| number.to_string(), |value| format!("{value:.0}")).into()))
            }
            text @ Value::String(_) => Some(Self(text.to_string().into())),
            _ => None,
        }
    }

    /// The value as JSON text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// Whole numbers below this are exact as `f64`.
const MAX_SAFE: f64 = 9_007_199_254_740_992.0;

impl From<u64> for Id {
    fn from(number: u64) -> Self {
        Self(number.to_string().into())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Id;

    #[test]
    fn ids_are_equal_by_value() {
        let equal = [("1", "1.0"), ("1", "1e0"), ("\"a\"", "\"\\u0061\""), ("\"é\"", "\"\\u00e9\""), ("-3", "-3.0")];
        for (one, other) in equal {
            assert_eq!(Id::read(one).unwrap(), Id::read(other).unwrap(), "{one} {other}");
        }
        let different = [("1", "\"1\""), ("1", "1.5"), ("9007199254740993", "9007199254740992"), ("\"a\"", "\"A\"")];
        for (one, other) in different {
            assert_ne!(Id::read(one).unwrap(), Id::read(other).unwrap(), "{one} {other}");
        }
    }

    #[test]
    fn number_is_equal_to_its_text() {
        assert_eq!(Id::from(u64::MAX), Id::read(&u64::MAX.to_string()).unwrap());
        assert_eq!(Id::from(0), Id::read("0").unwrap());
    }

    #[test]
    fn what_is_no_id_is_none() {
        for text in ["null", "true", "[1]", "{}", "", "01", "1 2", "\"a"] {
            assert_eq!(Id::read(text), None, "{text}");
        }
    }
}
