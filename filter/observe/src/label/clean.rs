//! Cleans and cuts label values that peers send. The label budgets are in [`crate::recorder`].

/// A value that is safe in a stat name and in Prometheus' text format, at most `max_bytes` bytes, cut at a character boundary.
///
/// Quotes, backslashes, `;`, `=`, control characters and invalid UTF-8 become `_`, and so do dots at the end: Envoy drops
/// them from a tag, and `a` beside `a.` would be one series twice, which fails the whole scrape.
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
    !character.is_control() && !matches!(character, '"' | '\\' | ';' | '=')
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
