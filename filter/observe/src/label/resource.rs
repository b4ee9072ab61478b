//! Resource URIs as labels: without userinfo, query and fragment, unless `full` is configured.

use super::{HashKey, clean};
use crate::text::Text;

/// How a resource URI becomes a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResourceUriLabel {
    /// Always empty.
    Off,
    /// `users:`
    Scheme,
    /// `postgres://db/*`
    Authority,
    /// The URI as the server listed it, or the listed template that it matches, else as `Scheme`.
    Published,
    /// A keyed hash of the URI.
    Hash,
    /// The URI as the client sent it.
    Full,
}

/// The label form of a URI under this configuration; empty where it is switched off.
pub(crate) fn label(uri: &Text, form: ResourceUriLabel, hash_key: &HashKey, max_bytes: usize) -> String {
    match form {
        ResourceUriLabel::Off => String::new(),
        ResourceUriLabel::Full => clean(uri.start(), max_bytes),
        // The URI was not listed.
        ResourceUriLabel::Scheme | ResourceUriLabel::Published => match split_scheme(uri.start()) {
            Some((scheme, _)) => clean(&[scheme.as_slice(), b":"].concat(), max_bytes),
            None => "other".to_owned(),
        },
        ResourceUriLabel::Authority => authority(uri.start(), max_bytes),
        ResourceUriLabel::Hash => {
            let length = uri.length().to_le_bytes();
            hash_key.hash(&[uri.start(), &length, &uri.digest().to_le_bytes()])
        }
    }
}

/// A URI or a URI template without userinfo, query and fragment, its scheme in lower case; `None` without a scheme.
pub(crate) fn plain(uri: &[u8], is_template: bool) -> Option<Vec<u8>> {
    let (scheme, rest) = split_scheme(uri)?;
    let mut in_braces = false;
    let end = rest.windows(2).chain([[rest.last().copied().unwrap_or_default(), 0].as_slice()]).position(|pair| {
        // In a template `{?name}`, `{&name}` and `{#name}` begin query and fragment.
        match pair {
            [b'{', b'?' | b'&' | b'#', ..] if is_template => return true,
            [b'{', ..] => in_braces = is_template,
            [b'}', ..] => in_braces = false,
            [b'?' | b'#', ..] => return !in_braces,
            _ => {}
        }
        false
    });
    let rest = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
    let Some(hierarchy) = rest.strip_prefix(b"//") else { return Some([scheme.as_slice(), b":", rest].concat()) };
    let slash = hierarchy.iter().position(|&byte| byte == b'/').unwrap_or(hierarchy.len());
    let (authority, path) = hierarchy.split_at_checked(slash)?;
    let host = authority.rsplit(|&byte| byte == b'@').next().unwrap_or_default();
    Some([scheme.as_slice(), b"://", host, path].concat())
}

/// `postgres://db:5432/*`; `file:///*` without authority, `urn:*` for an opaque URI, `other` without scheme.
fn authority(uri: &[u8], max_bytes: usize) -> String {
    let Some((scheme, rest)) = split_scheme(uri) else { return "other".to_owned() };
    let Some(rest) = rest.strip_prefix(b"//") else { return clean(&[scheme.as_slice(), b":*"].concat(), max_bytes) };
    let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default();
    let host = authority.rsplit(|&byte| byte == b'@').next().unwrap_or_default();
    clean(&[scheme.as_slice(), b"://", host, b"/*"].concat(), max_bytes)
}

/// The scheme in lower case, and what follows its colon (RFC 3986, section 3.1).
fn split_scheme(uri: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let colon = uri.iter().position(|&byte| byte == b':')?;
    let (scheme, rest) = (uri.get(..colon)?, uri.get(colon + 1..)?);
    let valid = scheme.first()?.is_ascii_alphabetic()
        && scheme.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    valid.then(|| (scheme.to_ascii_lowercase(), rest))
}

#[cfg(test)]
mod tests {
    use super::{ResourceUriLabel, label, plain};
    use crate::label::HashKey;
    use crate::test;
    use crate::text::Text;

    fn form(resource_uri: ResourceUriLabel, uri: &str) -> String {
        label(&Text::of(uri.as_bytes()), resource_uri, &HashKey::of(b"0123456789abcdef"), 128)
    }

    #[test]
    fn scheme_form_keeps_the_scheme() {
        assert_eq!(form(ResourceUriLabel::Scheme, "Users://42/profile?token=x"), "users:");
        assert_eq!(form(ResourceUriLabel::Scheme, "urn:isbn:1"), "urn:");
        assert_eq!(form(ResourceUriLabel::Scheme, "/no/scheme"), "other");
        assert_eq!(form(ResourceUriLabel::Scheme, "1a:b"), "other");
    }

    #[test]
    fn authority_form_keeps_scheme_and_authority() {
        let authority = |uri| form(ResourceUriLabel::Authority, uri);
        assert_eq!(authority("postgres://me:secret@db:5432/t?x#y"), "postgres://db:5432/*");
        assert_eq!(authority("file:///etc/passwd"), "file:///*");
        assert_eq!(authority("urn:isbn:1"), "urn:*");
        assert_eq!(authority("https://a@b@host?q=/x@y"), "https://host/*");
        assert_eq!(authority("nothing"), "other");
    }

    #[test]
    fn plain_form_has_no_secrets() {
        for (uri, is_template, expected) in [
            ("DB://me:secret@host:1/t?x#y", false, Some("db://host:1/t")),
            ("a://b#me@x", false, Some("a://b")),
            ("a://b{?secret}", false, Some("a://b{")),
            ("a://{x?secret}", false, Some("a://{x")),
            ("urn:isbn:1?x", false, Some("urn:isbn:1")),
            ("a:", false, Some("a:")),
            ("/a?b", false, None),
            ("a://{u}@{h}/{p}{?q,r}", true, Some("a://{h}/{p}")),
            ("a://{h}{#f}", true, Some("a://{h}")),
            ("a://b?q={q}", true, Some("a://b")),
            ("a://{p?}/x", true, Some("a://{p?}/x")),
            ("a://{+p}/x", true, Some("a://{+p}/x")),
            ("{+all}", true, None),
        ] {
            assert_eq!(plain(uri.as_bytes(), is_template).as_deref(), expected.map(str::as_bytes), "{uri}");
        }
    }

    #[test]
    fn hash_and_full_forms() {
        let hash = form(ResourceUriLabel::Hash, "users://42");
        assert_eq!(hash.len(), 16);
        assert_eq!(hash, form(ResourceUriLabel::Hash, "users://42"));
        assert_ne!(hash, form(ResourceUriLabel::Hash, "users://43"));
        assert_eq!(form(ResourceUriLabel::Full, "users://42?x=\"1\""), "users://42?x__1_");
        assert_eq!(form(ResourceUriLabel::Off, "users://42"), "");
    }
}
