//! The file of the live page, and the headers of its response.
//!
//! The file is built from `page/src` and committed, so building the sidecar needs no Node.js.

/// The file.
pub(crate) const PAGE: &str = include_str!("../../../page/page.html");
/// How the file's `Content-Security-Policy` begins, in its `<meta>`.
const POLICY: &str = r#"<meta http-equiv="Content-Security-Policy" content=""#;

/// Headers of its response: the policy of the file, with what a `<meta>` cannot say, that no other page may frame it.
pub(crate) fn headers() -> [(&'static str, String); 5] {
    [
        ("content-type", "text/html; charset=utf-8".to_owned()),
        ("content-security-policy", format!("{}; frame-ancestors 'none'", policy())),
        ("cache-control", "no-cache".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        ("referrer-policy", "no-referrer".to_owned()),
    ]
}

/// The policy in the file. It holds the hashes of the file's script and style.
fn policy() -> &'static str {
    PAGE.split_once(POLICY)
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("default-src 'none'", |(policy, _)| policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_allows_script_and_style_by_hash_and_no_other_host() {
        let policy = policy();
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
        assert!(policy.contains("; style-src 'sha256-"), "{policy}");
        assert!(policy.contains("; connect-src 'self';"), "{policy}");
        for refused in ["unsafe", "http:", "https:", "*"] {
            assert!(!policy.contains(refused), "{policy}");
        }
    }
}
