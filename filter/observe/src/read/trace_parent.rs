//! The header `traceparent` of W3C Trace Context, as MCP clients repeat it in `params._meta`.
//!
//! `00-<32 digits: trace id>-<16 digits: parent id>-<2 digits: flags>`, hexadecimal digits in lower case. A later version may
//! have more after another `-`, which is not read.

/// Length of a trace parent of version 00.
pub(crate) const LENGTH: usize = 55;
/// Bytes that are kept of a value: one more shows whether a later version goes on with `-`.
pub(crate) const TRACE_PARENT_BYTES: usize = LENGTH + 1;

/// The first 55 characters of a valid trace parent. `start` has at least the first [`TRACE_PARENT_BYTES`] of the value, or all
/// of a shorter one.
pub(crate) fn trace_parent(start: &[u8]) -> Option<&str> {
    let (value, rest) = start.split_at_checked(LENGTH)?;
    let is_valid = |(at, &byte): (usize, &u8)| if matches!(at, 2 | 35 | 52) { byte == b'-' } else { is_digit(byte) };
    let is_zero = |from, to| value.get(from..to).is_none_or(|digits| digits.iter().all(|&digit| digit == b'0'));
    let has_valid_rest = rest.is_empty() || !value.starts_with(b"00") && rest.starts_with(b"-");
    let is_well_formed = has_valid_rest && value.iter().enumerate().all(is_valid);
    if !is_well_formed || value.starts_with(b"ff") || is_zero(3, 35) || is_zero(36, 52) {
        return None;
    }
    std::str::from_utf8(value).ok()
}

/// The trace id of a valid trace parent.
pub(crate) fn trace_id(trace_parent: &str) -> Option<&str> {
    trace_parent.get(3..35)
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::{trace_id, trace_parent};
    use crate::test;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn valid_trace_parent_is_taken_whole() {
        assert_eq!(trace_parent(VALID.as_bytes()), Some(VALID));
        assert_eq!(trace_id(VALID), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    }

    #[test]
    fn later_version_may_go_on_after_a_hyphen() {
        let later = VALID.replacen("00", "cc", 1);
        for end in ["", "-", "-what.the.future.will.be.like"] {
            assert_eq!(trace_parent(format!("{later}{end}").as_bytes()), Some(later.as_str()), "{end}");
        }
        assert_eq!(trace_parent(format!("{later}.x").as_bytes()), None);
        assert_eq!(trace_parent(format!("{VALID}-x").as_bytes()), None);
    }

    #[test]
    fn invalid_trace_parent_is_refused() {
        for invalid in [
            "",
            "00",
            VALID.trim_end_matches('1'),
            &format!("{VALID}0"),
            &VALID.to_uppercase(),
            &VALID.replacen("00", "ff", 1),
            &VALID.replacen("00", "0g", 1),
            &VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &VALID.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &VALID.replace("-01", "_01"),
            &VALID.replace("-01", "-é"),
            &VALID.replacen('-', "--", 1),
            &"-".repeat(55),
            &"0".repeat(1_000_000),
        ] {
            assert_eq!(trace_parent(invalid.as_bytes()), None, "{:.80}", invalid);
        }
        assert_eq!(trace_parent(&[0xff; 55]), None);
    }
}
