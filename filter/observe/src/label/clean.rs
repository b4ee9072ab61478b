//! Cleans and cuts label values that peers send. The label budgets are in [`crate::recorder`].

/// A value that is safe in a stat name and in Prometheus' text format, at most `max_bytes` bytes, cut at a character boundary.
///
/// Quotes, backslashes, `;`, `=`, control characters, characters that break or reorder a line on a screen, and invalid UTF-8
/// become `_`. So do dots at the end: Envoy drops them from a tag, and `a` beside `a.` would be one series twice, which fails
/// the whole scrape.
pub(crate) fn clean(bytes: &[u8], max_bytes: usize) -> String {
    // The usual case.
    let is_plain = |&byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/' | b':');
    if bytes.len() <= max_bytes
        && bytes.iter().all(is_plain)
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return text.to_owned();
    }
    let mut label = String::with_capacity(bytes.len().min(max_bytes));
    for chunk in bytes.utf8_chunks() {
        let invalid = if chunk.invalid().is_empty() { None } else { Some('_') };
        let characters = chunk.valid().chars().map(|character| if is_harmless(character) { character } else { '_' });
        for character in characters.chain(invalid) {
            if label.len() + character.len_utf8() > max_bytes {
                return end_without_dot(label);
            }
            label.push(character);
        }
    }
    end_without_dot(label)
}

fn is_harmless(character: char) -> bool {
    !character.is_control() && !breaks_or_reorders_lines(character) && !matches!(character, '"' | '\\' | ';' | '=')
}

/// Line and paragraph separator, the bidirectional embeddings, overrides and isolates, and the byte order mark.
fn breaks_or_reorders_lines(character: char) -> bool {
    matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Every dot at the end becomes `_`.
pub(crate) fn end_without_dot(mut label: String) -> String {
    let kept = label.trim_end_matches('.').len();
    let dots = label.len() - kept;
    label.truncate(kept);
    label.extend(std::iter::repeat_n('_', dots));
    label
}

#[cfg(test)]
mod tests {
    use super::clean;
    use crate::test;

    #[test]
    fn characters_that_break_or_reorder_a_line_are_cleaned() {
        assert_eq!(clean("a\u{2028}b\u{2029}c".as_bytes(), 128), "a_b_c");
        assert_eq!(clean("\u{feff}safe\u{202e}gnp.exe\u{202c}".as_bytes(), 128), "_safe_gnp.exe_");
        for character in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
            assert_eq!(clean(character.to_string().as_bytes(), 128), "_", "{character:?}");
        }
        // Their neighbours, and the joiner of an emoji.
        for kept in ["\u{2027}", "\u{202f}", "\u{2065}", "\u{206a}", "\u{feee}", "👩\u{200d}💻"] {
            assert_eq!(clean(kept.as_bytes(), 128), kept);
        }
    }

    #[test]
    fn hostile_values_are_cleaned() {
        assert_eq!(clean(b"x;.;status=.=ok", 128), "x_._status_._ok");
        assert_eq!(clean(b"a\"b\\c\nd\0e\x7f", 128), "a_b_c_d_e_");
        assert_eq!(clean(b"a\xffb\xc3", 128), "a_b_");
        assert_eq!(clean("é😀 x/y".as_bytes(), 128), "é😀 x/y");
        assert_eq!(clean("aé".as_bytes(), 2), "a");
        assert_eq!(clean(b"..a...b..", 128), "..a...b__");
        assert_eq!(clean(b"abc.d", 4), "abc_");
        assert_eq!(clean(b"...", 128), "___");
        assert_eq!(clean(&[b'a'; 500], 128).len(), 128);
    }
}
