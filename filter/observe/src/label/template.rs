//! Matches URIs against URI templates (RFC 6570).
//!
//! | expression | matches |
//! |---|---|
//! | `{name}`, `{a,b}` | one or more characters within a path segment |
//! | `{+name}`, `{name*}` | one or more characters of any kind; FastMCP writes the second for the first |
//! | `{/name}`, `{.name}`, `{;name}` | the operator's character and then as `{name}`, for each name |
//! | `{/name*}`, `{.name*}`, `{;name*}` | the same, `/` across segments; or nothing at all |
//!
//! Query and fragment are cut off before, see [`crate::label::resource::plain`]. A literal character that a URI cannot contain, such as
//! `é`, also matches its percent-encoding. The values of the variables are not returned.
//!
//! **Cost:** about as many steps as the URI has bytes, at most [`MAX_STEPS`]; no recursion.

/// Steps after which a URI counts as no match. Only a template of many variables with short texts between them needs so many.
const MAX_STEPS: usize = 8 * 1024;
/// Characters besides letters and digits that a URI contains unencoded, and `%`.
const URI_CHARACTERS: &[u8] = b"-._~:/?#[]@!$&'()*+,;=%";

/// A part of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Byte(u8),
    /// Anything but `/`.
    Segment,
    /// Anything.
    Path,
}

/// A parsed template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template {
    pieces: Box<[Piece]>,
    /// The pieces without the expressions that also match the empty text; `None` if there are no such expressions.
    shorter: Option<Box<[Piece]>>,
}

/// The position at which matching continues after a failure: the variable before this piece takes one more byte, the one at
/// `at`.
#[derive(Clone, Copy, Debug)]
struct Retry {
    piece: usize,
    at: usize,
}

// === impl Template ===

impl Template {
    pub(crate) fn new(text: &[u8]) -> Self {
        let (mut pieces, mut shorter) = (Vec::new(), Vec::new());
        let mut rest = text;
        while let Some((&byte, tail)) = rest.split_first() {
            let end = if byte == b'{' { tail.iter().position(|&byte| byte == b'}') } else { None };
            let Some((expression, after)) = end.and_then(|end| tail.split_at_checked(end)) else {
                pieces.push(Piece::Byte(byte));
                shorter.push(Piece::Byte(byte));
                rest = tail;
                continue;
            };
            let (expanded, may_be_absent) = expand(expression);
            pieces.extend(&expanded);
            if !may_be_absent {
                shorter.extend(&expanded);
            }
            rest = after.get(1..).unwrap_or_default();
        }
        let shorter = (shorter.len() < pieces.len()).then(|| shorter.into());
        Self { pieces: pieces.into(), shorter }
    }

    /// Whether `uri` may be an expansion.
    pub(crate) fn matches(&self, uri: &[u8]) -> bool {
        matches(&self.pieces, uri) || self.shorter.as_ref().is_some_and(|pieces| matches(pieces, uri))
    }
}

/// The pieces of an expression, and whether it also matches the empty text.
fn expand(expression: &[u8]) -> (Vec<Piece>, bool) {
    let is_exploded = expression.contains(&b'*');
    match expression.first() {
        Some(b'+') => (vec![Piece::Path], false),
        Some(&operator @ (b'/' | b'.')) => {
            let value = if is_exploded && operator == b'/' { Piece::Path } else { Piece::Segment };
            let names = expression.split(|&byte| byte == b',');
            (names.flat_map(|_| [Piece::Byte(operator), value]).collect(), is_exploded)
        }
        // `;a=1;b=2` is within one segment.
        Some(b';') => (vec![Piece::Byte(b';'), Piece::Segment], is_exploded),
        _ if is_exploded => (vec![Piece::Path], false),
        _ => (vec![Piece::Segment], false),
    }
}

/// Whether the pieces match the whole `uri`.
///
/// Each variable takes as few bytes as possible. If the match fails, the last variable takes more: within a segment the last
/// [`Piece::Segment`], else the last [`Piece::Path`], which may begin anywhere that an earlier one could have led to.
fn matches(pieces: &[Piece], uri: &[u8]) -> bool {
    let (mut piece, mut at) = (0, 0);
    let (mut segment, mut path): (Option<Retry>, Option<Retry>) = (None, None);
    for _ in 0..MAX_STEPS {
        let byte = uri.get(at).copied();
        match (pieces.get(piece), byte) {
            (None, None) => return true,
            (Some(&Piece::Byte(wanted)), Some(byte)) if wanted == byte => (piece, at) = (piece + 1, at + 1),
            (Some(&Piece::Byte(wanted)), Some(b'%')) if is_encoded(wanted, uri.get(at + 1..at + 3)) => {
                (piece, at) = (piece + 1, at + 3);
            }
            (Some(Piece::Segment), Some(byte)) if byte != b'/' => {
                (piece, at) = (piece + 1, at + 1);
                segment = Some(Retry { piece, at });
            }
            (Some(Piece::Path), Some(_)) => {
                (piece, at) = (piece + 1, at + 1);
                (segment, path) = (None, Some(Retry { piece, at }));
            }
            _ => {
                segment = segment.filter(|retry| uri.get(retry.at).is_some_and(|&byte| byte != b'/'));
                let Some(retry) = segment.as_mut().or(path.as_mut()) else { return false };
                if retry.at >= uri.len() {
                    return false;
                }
                retry.at += 1;
                (piece, at) = (retry.piece, retry.at);
            }
        }
    }
    false
}

/// Whether two hexadecimal digits are the percent-encoding of a byte that a URI cannot contain.
fn is_encoded(byte: u8, digits: Option<&[u8]>) -> bool {
    let digits = digits.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
    !byte.is_ascii_alphanumeric() && !URI_CHARACTERS.contains(&byte) && digits == Some(byte)
}

#[cfg(test)]
mod tests {
    use super::Template;
    use crate::test;

    fn matches(template: &str, uri: &str) -> bool {
        Template::new(template.as_bytes()).matches(uri.as_bytes())
    }

    #[test]
    fn variable_matches_within_segment() {
        for (template, uri, expected) in [
            ("users://{id}/profile", "users://42/profile", true),
            ("users://{id}/profile", "users:///profile", false),
            ("users://{id}/profile", "users://4/2/profile", false),
            ("users://{id}/profile", "users://42/profile/x", false),
            ("a://{x}", "a://b", true),
            ("a://{x}", "a://", false),
            ("a://{x}-{y}", "a://1-2-3", true),
            ("a://{x}-{y}/z", "a://1-2/y", false),
            ("a://{x}{y}", "a://12", true),
            ("a://{x}{y}", "a://1", false),
            ("a://{x}.txt", "a://b.txt.txt", true),
            ("a://{x}/{x}", "a://1/2", true),
            ("a://x", "a://x", true),
            ("a://x", "a://xy", false),
            ("a://{x", "a://{x", true),
        ] {
            assert_eq!(matches(template, uri), expected, "{template} {uri}");
        }
    }

    #[test]
    fn reserved_variable_matches_across_segments() {
        for (template, uri, expected) in [
            ("file:///{+path}", "file:///a/b/c", true),
            ("file:///{+path}", "file:///", false),
            ("file:///{+path}.md", "file:///a/b.md/c.md", true),
            ("a://{+x}/x/{y}", "a://p/x/q/x/r", true),
            ("a://{+x}/x/{y}/z", "a://p/x/q/x/r", false),
            ("a://{+x}/{+y}", "a://1/2/3", true),
            ("a://{+x}/{y}/z", "a://1/2/3/z", true),
        ] {
            assert_eq!(matches(template, uri), expected, "{template} {uri}");
        }
    }

    /// FastMCP supports `{name*}` only; the Python and TypeScript SDKs expand the operators as RFC 6570 does.
    #[test]
    fn forms_used_by_servers_match() {
        for (template, uri, expected) in [
            ("docs://{path*}", "docs://a/b", true),
            ("docs://{path*}", "docs://a", true),
            ("docs://{path*}", "docs://", false),
            ("docs://{path*}/raw", "docs://a/b/raw", true),
            ("docs://{path*}/raw", "docs://a/b", false),
            ("docs://{id}/{path*}", "docs://1/a/b", true),
            ("docs://{id}/{path*}", "docs://1", false),
            ("docs://{+path*}", "docs://a/b", true),
            ("docs://{a,b}", "docs://1,2", true),
            ("docs://{a:3}", "docs://abc", true),
            ("docs://{$top}", "docs://1/2", false),
            ("docs://x{/path}", "docs://x/a", true),
            ("docs://x{/path}", "docs://x/a/b", false),
            ("docs://x{/path}", "docs://xy", false),
            ("docs://x{/a,b}", "docs://x/1/2", true),
            ("docs://x{/path*}", "docs://x/a/b", true),
            ("docs://x{/path*}", "docs://x", true),
            ("docs://x{/path*}", "docs://xy", false),
            ("docs://x{.form}", "docs://x.md", true),
            ("docs://x{.form}", "docs://x", false),
            ("docs://x{.form}", "docs://xy", false),
            ("docs://x{.form*}", "docs://x.tar.gz", true),
            ("docs://x{.form*}", "docs://x.tar/gz", false),
            ("docs://x{;v,w}/y", "docs://x;v=1;w=2/y", true),
            ("docs://x{;v}/y", "docs://xv/y", false),
            ("docs://x{;v*}/y", "docs://x/y", true),
        ] {
            assert_eq!(matches(template, uri), expected, "{template} {uri}");
        }
    }

    #[test]
    fn encoded_literals_match() {
        for (template, uri, expected) in [
            ("file:///caf\u{e9}/{x}", "file:///caf%C3%A9/1", true),
            ("file:///caf\u{e9}/{x}", "file:///caf%c3%a9/1", true),
            ("file:///caf\u{e9}/{x}", "file:///caf\u{e9}/1", true),
            ("file:///a b/{x}", "file:///a%20b/1", true),
            ("file:///a b/{x}", "file:///a%2", false),
            ("file:///a b/{x}", "file:///a%+0b/1", false),
            ("file:///a-b/{x}", "file:///a%2Db/1", false),
            ("file:///a%20b/{x}", "file:///a%20b/1", true),
        ] {
            assert_eq!(matches(template, uri), expected, "{template} {uri}");
        }
    }

    /// All ways to match, for comparison.
    fn plainly(template: &[u8], uri: &[u8]) -> bool {
        let Some((&byte, rest)) = template.split_first() else { return uri.is_empty() };
        match byte {
            b'S' | b'P' => (1..=uri.len()).any(|length| {
                let (taken, left) = uri.split_at(length);
                (byte == b'P' || !taken.contains(&b'/')) && plainly(rest, left)
            }),
            _ => uri.first() == Some(&byte) && plainly(rest, &uri[1..]),
        }
    }

    #[test]
    fn match_agrees_with_exhaustive_search() {
        let mut random = fastrand::Rng::with_seed(9);
        let mut matched = 0;
        for _ in 0..200_000 {
            let short: String =
                (0..random.usize(0..7)).map(|_| *random.choice(&['a', '/', 'S', 'P']).unwrap()).collect();
            let uri: String = (0..random.usize(0..10)).map(|_| *random.choice(&['a', 'b', '/']).unwrap()).collect();
            let expected = plainly(short.as_bytes(), uri.as_bytes());
            matched += u32::from(expected);
            let template = short.replace('S', "{x}").replace('P', "{+x}");
            assert_eq!(matches(&template, &uri), expected, "{template} {uri}");
        }
        assert!(matched > 10_000, "{matched}");
    }

    #[test]
    fn hostile_templates_terminate() {
        let uri = "a".repeat(1024);
        assert!(!matches(&format!("{}b", "{x}a".repeat(60)), &uri));
        assert!(!matches(&format!("{}b", "{+x}a".repeat(50)), &uri));
        assert!(!matches(&format!("{{+x}}{}b", "{y}a".repeat(60)), &uri));
        assert!(!matches(&format!("{}b", "{/x*}a".repeat(30)), &"/a".repeat(500)));
    }
}
