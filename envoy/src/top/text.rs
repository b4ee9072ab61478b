//! Text for a terminal: cleaned values, widths in columns, numbers as people read them.
//!
//! A page of metrics may come from anywhere, and the names in it from any MCP server. So all text that did not come from this
//! program passes [`clean`] before it is shown: no control character, and none that reorders or hides text, reaches the terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Characters of a value that are kept. The filter's values have at most 128 bytes by default.
const LONGEST_VALUE: usize = 256;
/// What a cut value ends with.
const CUT: char = '…';
/// From here on a number is written with an exponent.
const LONG: f64 = 1e15;

/// The value without the characters that a terminal would obey, and cut to [`LONGEST_VALUE`].
pub(super) fn clean(text: &str) -> String {
    text.chars().take(LONGEST_VALUE).map(|letter| if is_shown(letter) { letter } else { '_' }).collect()
}

/// Whether a character takes part in the text, as opposed to a control character or one that changes direction or is invisible:
/// Unicode's `Default_Ignorable_Code_Point`, with the separators of lines and the marks of annotations.
fn is_shown(letter: char) -> bool {
    !letter.is_control()
        && !matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The columns that a text takes in a terminal.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The text in at most so many columns; what is cut is shown by an ellipsis.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let mut kept = String::new();
    for letter in text.chars() {
        let Some(rest) = left.checked_sub(letter.width().unwrap_or(0)) else { break };
        left = rest;
        kept.push(letter);
    }
    if columns > 0 {
        kept.push(CUT);
    }
    kept
}

/// The text cut or filled to exactly so many columns.
pub(super) fn pad(text: &str, columns: usize, is_right: bool) -> String {
    let text = cut(text, columns);
    let fill = " ".repeat(columns.saturating_sub(width(&text)));
    if is_right { fill + &text } else { text + &fill }
}

/// The text in lines of at most so many columns, broken at blanks where that is possible.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(cut(word, columns)),
        }
    }
    lines
}

/// A number with so many decimal places. A long one has an exponent, so that it does not take hundreds of columns.
fn number(value: f64, places: usize) -> String {
    if value.abs() < LONG { format!("{value:.places$}") } else { format!("{value:.1e}") }
}

/// A duration in microseconds, as milliseconds or seconds.
pub(super) fn duration(microseconds: f64) -> String {
    match microseconds {
        under if under < 99_950.0 => number(under / 1e3, 1) + " ms",
        under if under < 9_999_500.0 => number(under / 1e3, 0) + " ms",
        over => number(over / 1e6, 1) + " s",
    }
}

/// A number of bytes, with decimal prefixes.
pub(super) fn size(bytes: f64) -> String {
    match bytes {
        under if under < 999.5 => number(under, 0) + " B",
        under if under < 999_950.0 => number(under / 1e3, 1) + " kB",
        over => number(over / 1e6, 1) + " MB",
    }
}

/// A rate per second. A rate that is not zero is never shown as zero.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        zero if zero <= 0.0 => "0/s".to_owned(),
        under if under < 0.01 => "<0.01/s".to_owned(),
        under if under < 9.995 => number(under, 2) + "/s",
        over => number(over, 0) + "/s",
    }
}

/// A counter.
pub(super) fn count(value: f64) -> String {
    number(value, 0)
}

/// A number with its noun, which gets an `s` unless the number is 1.
pub(super) fn counted(value: f64, noun: &str) -> String {
    let plural = if value == 1.0 { "" } else { "s" };
    format!("{} {noun}{plural}", count(value))
}

#[cfg(test)]
mod tests {
    use super::{clean, count, counted, cut, duration, pad, rate, size, width, wrap};

    #[test]
    fn characters_that_a_terminal_obeys_are_replaced() {
        assert_eq!(clean("a\x1b[31mb\r\n\u{9b}2Jc\u{202e}d\u{200b}e\u{7f}"), "a_[31mb___2Jc_d_e_");
        assert_eq!(clean("läs_väder-天気.1"), "läs_väder-天気.1");
        assert_eq!(clean(&"x".repeat(1000)).len(), 256);
    }

    #[test]
    fn characters_that_are_not_seen_are_replaced() {
        let invisible = "\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{180b}\u{180f}\u{200b}\u{2060}\u{3164}\u{fe00}\u{fe0f}\
                         \u{feff}\u{ffa0}\u{fff0}\u{1bca0}\u{1d173}\u{e0001}\u{e01ef}";
        for letter in invisible.chars() {
            assert_eq!(clean(&format!("a{letter}b")), "a_b", "{letter:?}");
        }
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(width("天気"), 4);
        assert_eq!(cut("天気予報", 5), "天気…");
        // The third character does not fit in the column that is left.
        assert_eq!(cut("天気予報", 6), "天気…");
        assert_eq!(pad("天気", 6, false), "天気  ");
        assert_eq!(pad("天気予報", 6, true), " 天気…");
        assert_eq!(cut("forecast", 0), "");
    }

    #[test]
    fn text_is_wrapped_at_blanks() {
        assert_eq!(wrap("the server cannot be reached", 10), ["the server", "cannot be", "reached"]);
        assert_eq!(wrap("http://localhost:9902 x", 10), ["http://lo…", "x"]);
        assert_eq!(wrap("", 10), [""]);
    }

    #[test]
    fn numbers_have_units() {
        assert_eq!(
            ["0.4 ms", "99.9 ms", "100 ms", "10.0 s"],
            [400.0, 99_900.0, 99_960.0, 1e7].map(duration).each_ref().map(String::as_str)
        );
        assert_eq!(["999 B", "1.0 kB", "1.0 MB"], [999.0, 1000.0, 1e6].map(size).each_ref().map(String::as_str));
        assert_eq!(
            ["0/s", "<0.01/s", "0.25/s", "10/s"],
            [0.0, 1e-4, 0.25, 10.0].map(rate).each_ref().map(String::as_str)
        );
    }

    #[test]
    fn long_numbers_have_an_exponent() {
        assert_eq!([count(999_999_999_999_999.0), count(1e15)], ["999999999999999", "1.0e15"]);
        let found = [count(1e300), counted(1e300, "stream"), duration(1e300), size(1e300), rate(1e300)];
        assert_eq!(found, ["1.0e300", "1.0e300 streams", "1.0e294 s", "1.0e294 MB", "1.0e300/s"]);
        assert_eq!([count(-1e300), count(f64::INFINITY)], ["-1.0e300", "inf"]);
    }
}
