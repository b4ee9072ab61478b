//! The name of a client as a label value: without its version, so that an update of the client is not a new value.

use super::clean;
use crate::text::Text;

/// The label value of a client whose name is missing.
pub(crate) const UNKNOWN_CLIENT: &str = "unknown";

/// The label value of `clientInfo.name`; `None` if the name is empty, or is that of an unknown client.
pub(crate) fn client_name(name: &Text, max_bytes: usize) -> Option<String> {
    // The end of a longer name was not kept, so its version is not either.
    let start = name.whole().map_or_else(|| name.start(), without_version).trim_ascii();
    let label = clean(start, max_bytes);
    (!label.is_empty() && label != UNKNOWN_CLIENT).then_some(label)
}

/// The name without the version at its end: one of `/ @ - _` or a blank, an optional `v`, a digit, then digits and dots. After
/// a dot, letters and the characters of a pre-release may follow (`1.0.0-beta.1`, `1.0.0rc1`). A date is a version too
/// (`2025-01-01`). A name that is only a version stays as it is.
///
/// **Cost:** linear. Each candidate reads only its own digits and dots.
fn without_version(name: &[u8]) -> &[u8] {
    let name = name.trim_ascii();
    let is_of_version = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+');
    let tail = name.iter().rev().take_while(|byte| is_of_version(byte)).count();
    if tail == name.len() && is_version(name) {
        return name;
    }
    // A separator that a version cannot contain is before its first byte.
    let first = (name.len() - tail).saturating_sub(1);
    let separators = name.iter().enumerate().skip(first.max(1)).filter(|(_, byte)| b"/@-_ ".contains(byte));
    for (at, _) in separators {
        if let Some((before, [_, version @ ..])) = name.split_at_checked(at)
            && is_version(version)
        {
            return before;
        }
    }
    name
}

/// Whether `text`, whose bytes a version may have, is a version.
fn is_version(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"v").unwrap_or(text);
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let Some((number, rest)) = text.split_at_checked(digits) else { return false };
    let is_number = number.first().is_some_and(u8::is_ascii_digit) && (rest.is_empty() || number.contains(&b'.'));
    is_number || is_date(text)
}

/// `2025-01-01`
fn is_date(text: &[u8]) -> bool {
    let is_in_place =
        |(at, byte): (usize, &u8)| if matches!(at, 4 | 7) { *byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.iter().enumerate().all(is_in_place)
}

#[cfg(test)]
mod tests {
    use super::client_name;
    use crate::test;
    use crate::text::Text;

    fn label(name: &str) -> Option<String> {
        client_name(&Text::of(name.as_bytes()), 128)
    }

    #[test]
    fn version_at_the_end_is_cut() {
        for (name, expected) in [
            ("cursor/1.2.3", "cursor"),
            ("claude-code v2", "claude-code"),
            ("claude-code  v2 ", "claude-code"),
            ("x@1.0.0-beta.1", "x"),
            ("x@v1.0.0+build.7", "x"),
            ("x_2", "x"),
            ("foo-2", "foo"),
            ("foo-1.0.0rc1", "foo"),
            ("mcp-remote-0.1.30", "mcp-remote"),
            ("@scope/client@2.0", "@scope/client"),
            ("foo-2025-01-01", "foo"),
            ("foo/v2025-01-01", "foo"),
            ("gpt-4o-2024-08-06", "gpt-4o"),
            // Neither a date nor a number with dots: only the last part is a version.
            ("foo-2025-01", "foo-2025"),
            ("foo-25-01-01", "foo-25-01"),
        ] {
            assert_eq!(label(name).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn name_without_version_stays() {
        for name in [
            "python3",
            "v2",
            "1.2.3",
            "/1.2.3",
            "2025-01-01",
            "v2025-01-01",
            "2025-01-01x",
            "studio-2-client",
            "my-2nd-client",
            "gpt-4o",
            "x-",
            "x-v",
            "x y",
            "a.1.2",
            "cursor/1.2.3 (linux)",
        ] {
            assert_eq!(label(name).as_deref(), Some(name));
        }
    }

    #[test]
    fn empty_name_is_unknown() {
        for name in ["", " ", "\n\t", "unknown", "unknown/1.0"] {
            assert_eq!(label(name), None, "{name:?}");
        }
    }

    #[test]
    fn hostile_name_is_cleaned_and_cut() {
        assert_eq!(label("a\u{0}b;=\"\\/1").as_deref(), Some("a_b____"));
        assert_eq!(label(&"x".repeat(1000)).map(|label| label.len()), Some(128));
        let long = "x-1.".repeat(100_000);
        assert_eq!(
            client_name(&Text::start_of(long.clone().into_bytes(), 1024), 128).map(|label| label.len()),
            Some(128)
        );
        assert_eq!(label(&"-1".repeat(500_000)).map(|label| label.len()), Some(128));
        assert!(label(&long).is_some());
    }
}
