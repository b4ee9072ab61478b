//! JSON-RPC ids: strings or integers. `"1"` is not `1`, but it answers `1` if no request has the id `"1"`, as in clients.

use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Longest id that is written as `mcp.request_id`.
const SHOWN_BYTES: usize = 64;

/// The value of a message's `id` member.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Id {
    /// The member is missing.
    Absent,
    /// `null`, or something that is neither a string nor a number.
    Odd,
    /// An id.
    Some(RequestId),
}

/// A valid id. It compares by kind, length and digest, so it may have any length.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RequestId {
    key: IdKey,
    /// The text, if it is kept and is short and plain enough for a span or an access log.
    #[serde(skip)]
    shown: Option<Box<str>>,
}

/// The part of an id that is compared. Client and server choose their ids independently, so those of the server are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct IdKey {
    form: Form,
    is_of_server: bool,
    length: u64,
    digest: u64,
}

/// How an id is written. Decimal digits without sign or leading zero mean the same number as a string and as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Form {
    String,
    Number,
    DigitsAsString,
    DigitsAsNumber,
}

// === impl IdKey ===

impl IdKey {
    /// The same number as a string, or the same digits as a number: the id to look for if no id is equal to this one.
    pub(crate) fn other_form(self) -> Option<Self> {
        let form = match self.form {
            Form::DigitsAsString => Form::DigitsAsNumber,
            Form::DigitsAsNumber => Form::DigitsAsString,
            Form::String | Form::Number => return None,
        };
        Some(Self { form, ..self })
    }

    /// This id, then the equivalent id of the other type.
    pub(crate) fn forms(self) -> impl Iterator<Item = Self> {
        [Some(self), self.other_form()].into_iter().flatten()
    }

    pub(crate) fn of_server(self) -> Self {
        Self { is_of_server: true, ..self }
    }
}

// === impl RequestId ===

impl PartialEq for RequestId {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl RequestId {
    /// Bytes of an id that are needed to show it.
    pub(crate) const KEPT_BYTES: usize = SHOWN_BYTES + 1;

    pub(crate) fn string(text: &Text) -> Self {
        let is_digits = text.whole().is_some_and(is_plain_number);
        let form = if is_digits { Form::DigitsAsString } else { Form::String };
        Self::new(form, text.length(), text.digest())
    }

    /// The id of a request whose body was not seen. Any response on its exchange answers it.
    pub(crate) fn unknown() -> Self {
        Self::string(&Text::default())
    }

    /// A float without fraction equals the integer: some peers send `1.0` or `1e0` and respond with `1`.
    pub(crate) fn number(text: &Text) -> Self {
        match text.whole().map(integral) {
            Some(digits) => {
                let form = if is_plain_number(&digits) { Form::DigitsAsNumber } else { Form::Number };
                Self::new(form, digits.len() as u64, Text::digest_of(&digits))
            }
            None => Self::new(Form::Number, text.length(), text.digest()),
        }
    }

    fn new(form: Form, length: u64, digest: u64) -> Self {
        Self { key: IdKey { form, is_of_server: false, length, digest }, shown: None }
    }

    /// Also keeps the id's text, if it is plain enough.
    pub(crate) fn shown_as(mut self, text: &Text) -> Self {
        let whole = text.whole().map(|whole| if self.is_number() { integral(whole) } else { whole.into() });
        let plain = whole.filter(|bytes| is_shown(bytes));
        self.shown = plain.map(|bytes| String::from_utf8_lossy(&bytes).into_owned().into_boxed_str());
        self
    }

    fn is_number(&self) -> bool {
        matches!(self.key.form, Form::Number | Form::DigitsAsNumber)
    }

    pub(crate) fn key(&self) -> IdKey {
        self.key
    }

    /// The id as text, if that was kept and it is an integer or 1 to 64 of `A-Za-z0-9_.-`.
    pub(crate) fn shown(&self) -> Option<&str> {
        self.shown.as_deref()
    }
}

/// Whole numbers in the form of an integer, however they are written: `1.0`, `1e0`, `-0`. Any other number as it is.
fn integral(number: &[u8]) -> Cow<'_, [u8]> {
    if !matches!(number, b"-0") && number.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'-')) {
        return number.into();
    }
    written_out(number).map_or(Cow::Borrowed(number), Cow::Owned)
}

/// The digits of a number with a fraction or an exponent, if it is whole and not longer than an id that is kept.
fn written_out(number: &[u8]) -> Option<Vec<u8>> {
    let mut parts = number.splitn(2, |byte| matches!(byte, b'e' | b'E'));
    let mut mantissa = parts.next()?.splitn(2, |&byte| byte == b'.');
    let exponent: i64 = parts.next().map_or(Some(0), |text| std::str::from_utf8(text).ok()?.parse().ok())?;
    let (whole, fraction) = (mantissa.next()?, mantissa.next().unwrap_or_default());
    let (is_negative, whole) = whole.strip_prefix(b"-").map_or((false, whole), |whole| (true, whole));
    let digits: Vec<u8> = whole.iter().chain(fraction).copied().skip_while(|&digit| digit == b'0').collect();
    let end = digits.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
    if end == 0 {
        return Some(b"0".to_vec());
    }
    let length = i64::try_from(digits.len()).ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let length = usize::try_from(length.checked_add(exponent)?).ok()?;
    if length < end || length > RequestId::KEPT_BYTES {
        return None;
    }
    let zeros = std::iter::repeat(b'0');
    let sign = is_negative.then_some(b'-');
    Some(sign.into_iter().chain(digits.into_iter().chain(zeros).take(length)).collect())
}

/// Decimal digits without sign or leading zero.
fn is_plain_number(text: &[u8]) -> bool {
    let is_digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    is_digits && (text.len() == 1 || !text.starts_with(b"0"))
}

fn is_shown(bytes: &[u8]) -> bool {
    (1..=SHOWN_BYTES).contains(&bytes.len())
        && bytes.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::RequestId;
    use crate::test;
    use crate::text::Text;

    fn number(text: &str) -> RequestId {
        RequestId::number(&Text::of(text.as_bytes()))
    }

    #[test]
    fn numbers_compare_by_value_where_peers_do() {
        assert_eq!(number("1.0"), number("1"));
        assert_eq!(number("-0"), number("0"));
        for (written, digits) in [
            ("1e0", "1"),
            ("1E2", "100"),
            ("10e-1", "1"),
            ("-1.50e+1", "-15"),
            ("1e+21", "1000000000000000000000"),
            ("0.0e99999", "0"),
            ("-0.0", "0"),
        ] {
            assert_eq!(number(written), number(digits), "{written}");
        }
        for other in ["1.5", "1e-1", "1e99999999999999999999", "1e400", "-1", "11"] {
            assert_ne!(number(other), number("1"), "{other}");
        }
        assert_ne!(number("12345678901234567890"), number("12345678901234567891"));
        assert_ne!(number("1"), RequestId::string(&Text::of(b"1")));
    }

    #[test]
    fn digits_are_equal_as_string_and_as_number() {
        let string = |text: &str| RequestId::string(&Text::of(text.as_bytes())).key();
        for digits in ["0", "5", "120", "12345678901234567890"] {
            assert_eq!(string(digits).other_form(), Some(number(digits).key()), "{digits}");
            assert_eq!(number(digits).key().other_form(), Some(string(digits)), "{digits}");
            assert_eq!(string(digits).of_server().other_form(), Some(number(digits).key().of_server()), "{digits}");
        }
        assert_eq!(number("5.0").key().other_form(), Some(string("5")));
        for text in ["", "05", "00", "-5", "+5", "5.0", "5e0", " 5", "5 ", "٥", "a"] {
            assert_eq!(string(text).other_form(), None, "{text}");
        }
        for text in ["-5", "5.5", "5e400"] {
            assert_eq!(number(text).key().other_form(), None, "{text}");
        }
    }

    #[test]
    fn only_plain_ids_are_shown() {
        let string = |text: &[u8]| RequestId::string(&Text::of(text)).shown_as(&Text::of(text));
        assert_eq!(number("-7.0").shown_as(&Text::of(b"-7.0")).shown(), Some("-7"));
        assert_eq!(number("-7").shown(), None);
        assert_eq!(number("-7"), number("-7").shown_as(&Text::of(b"-7")));
        assert_eq!(string(b"a.b-c_9").shown(), Some("a.b-c_9"));
        assert_eq!(string(b"a b").shown(), None);
        assert_eq!(string(&[b'a'; 65]).shown(), None);
    }
}
