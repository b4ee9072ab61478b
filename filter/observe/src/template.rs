//! URI templates (RFC 6570) read backwards: whether a URI may have come from one.
//!
//! `{name}` stands for one or more characters within a path segment, as the SDKs' servers take it; `{+name}`, and any other
//! operator, for one or more characters whatever they are. What the variables hold is of no interest.
//!
//! **Cost:** about as many steps as the URI has bytes, at most [`MOST_STEPS`]; no recursion.

/// Steps after which a URI does not match: only a template of many variables with short texts between them needs them.
const MOST_STEPS: usize = 8 * 1024;

/// A part of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Byte(u8),
    /// Anything but `/`.
    Segment,
    /// Anything.
    Path,
}

/// A template, ready to be matched.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template(Box<[Piece]>);

/// Where to go on when a match fails: the variable before this piece takes one more byte, the one at `at`.
#[derive(Clone, Copy, Debug)]
struct Retry {
    piece: usize,
    at: usize,
}

// === impl Template ===

impl Template {
    pub(crate) fn new(text: &[u8]) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((&byte, tail)) = rest.split_first() {
            let end = if byte == b'{' { tail.iter().position(|&byte| byte == b'}') } else { None };
            let Some(end) = end else {
                pieces.push(Piece::Byte(byte));
                rest = tail;
                continue;
            };
            let is_plain =
                tail.first().is_some_and(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'%'));
            pieces.push(if is_plain { Piece::Segment } else { Piece::Path });
            rest = tail.get(end + 1..).unwrap_or_default();
        }
        Self(pieces.into())
    }

    /// Whether `uri` may be an expansion.
    ///
    /// Each variable takes as little as it can. When that fails the last one takes more: within a segment the last
    /// [`Piece::Segment`], else the last [`Piece::Path`], which may begin anywhere that an earlier one could have led to.
    pub(crate) fn matches(&self, uri: &[u8]) -> bool {
        let (mut piece, mut at) = (0, 0);
        let (mut segment, mut path): (Option<Retry>, Option<Retry>) = (None, None);
        for _ in 0..MOST_STEPS {
            let byte = uri.get(at).copied();
            match (self.0.get(piece), byte) {
                (None, None) => return true,
                (Some(&Piece::Byte(wanted)), Some(byte)) if wanted == byte => (piece, at) = (piece + 1, at + 1),
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
}

#[cfg(test)]
mod tests {
    use super::Template;
    use crate::test;

    fn matches(template: &str, uri: &str) -> bool {
        Template::new(template.as_bytes()).matches(uri.as_bytes())
    }

    #[test]
    fn ok_variables_within_a_segment() {
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
    fn ok_variables_across_segments() {
        for (template, uri, expected) in [
            ("file:///{+path}", "file:///a/b/c", true),
            ("file:///{+path}", "file:///", false),
            ("file:///{+path}.md", "file:///a/b.md/c.md", true),
            ("a://{+x}/x/{y}", "a://p/x/q/x/r", true),
            ("a://{+x}/x/{y}/z", "a://p/x/q/x/r", false),
            ("a://{+x}/{+y}", "a://1/2/3", true),
            ("a://{host}{/path}", "a://h/p/q", true),
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
    fn ok_as_all_ways_to_match_say() {
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
    fn ok_hostile_templates_end() {
        let uri = "a".repeat(1024);
        assert!(!matches(&format!("{}b", "{x}a".repeat(60)), &uri));
        assert!(!matches(&format!("{}b", "{+x}a".repeat(50)), &uri));
        assert!(!matches(&format!("{{+x}}{}b", "{y}a".repeat(60)), &uri));
    }
}
