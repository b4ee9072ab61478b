//! Parses the values of HTTP headers: content types, content encodings, `Accept`, paths, and the encoding of `Mcp-Name`.
//!
//! Envoy joins the lines of some headers with a comma (`content-type`) and returns only the first line of others. In both cases
//! the first value is used. `Accept` is an exception: its lines are one list.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// `application/json` and `application/*+json`.
pub(crate) fn is_json(content_type: &[u8]) -> bool {
    if content_type == b"application/json" {
        return true;
    }
    let media_type = media_type(content_type).to_ascii_lowercase();
    media_type == b"application/json" || (media_type.starts_with(b"application/") && media_type.ends_with(b"+json"))
}

/// Whether a content type has `application/json` anywhere. Servers accept more than they should.
pub(crate) fn names_json(content_type: &[u8]) -> bool {
    const JSON: &[u8] = b"application/json";
    content_type.windows(JSON.len()).any(|part| part.eq_ignore_ascii_case(JSON))
}

/// Whether the text is UTF-8 or ASCII by its content type. Servers decode other character sets, and find other text.
pub(crate) fn is_utf8(content_type: &[u8]) -> bool {
    const NAMES: [&[u8]; 4] = [b"utf-8", b"utf8", b"us-ascii", b"ascii"];
    let parameters = content_type.split(|byte| b";,".contains(byte)).map(<[u8]>::trim_ascii);
    let mut charsets = parameters.filter(|parameter| parameter.to_ascii_lowercase().starts_with(b"charset"));
    let is_known = |charset: &[u8]| {
        let value = charset.split(|byte| *byte == b'=').next_back().unwrap_or_default();
        let value: Vec<u8> =
            value.iter().copied().filter(|byte| *byte != b'"' && !byte.is_ascii_whitespace()).collect();
        NAMES.iter().any(|name| value.eq_ignore_ascii_case(name))
    };
    charsets.next().is_none_or(is_known) && charsets.next().is_none()
}

/// `text/event-stream`.
pub(crate) fn is_event_stream(content_type: &[u8]) -> bool {
    media_type(content_type).eq_ignore_ascii_case(b"text/event-stream")
}

/// Whether `Accept` has both content types of MCP's responses.
pub(crate) fn accepts_both(accept: &[u8]) -> bool {
    let names =
        |wanted: &[u8]| accept.split(|&byte| byte == b',').any(|part| media_type(part).eq_ignore_ascii_case(wanted));
    names(b"application/json") && names(b"text/event-stream")
}

/// The session id of HTTP+SSE in the query, under the name that any SDK uses. An empty id counts as missing.
pub(crate) fn session_query(path: &[u8]) -> Option<&[u8]> {
    let query = path.splitn(2, |&byte| byte == b'?').nth(1)?;
    query.split(|&byte| byte == b'&').find_map(|pair| {
        let mut parts = pair.splitn(2, |&byte| byte == b'=');
        let name = parts.next().unwrap_or_default();
        let is_session = matches!(name, b"sessionId" | b"session_id" | b"sessionid");
        parts.next().filter(|id| is_session && !id.is_empty())
    })
}

/// The address for POSTs from an `endpoint` event.
#[derive(Debug, PartialEq)]
pub(crate) struct Endpoint {
    /// Identifies the session: the query parameter, or else the whole path with its query.
    pub(crate) session_id: Vec<u8>,
    /// Whether the session id is the query parameter.
    pub(crate) is_query: bool,
}

/// Parses an absolute or relative address. Returns `None` for a relative path without a session in its query; no known server
/// sends one.
pub(crate) fn endpoint(address: &[u8]) -> Option<Endpoint> {
    // Clients do not send the fragment.
    let address = address.split(|&byte| byte == b'#').next().unwrap_or_default().trim_ascii();
    if let Some(session_id) = session_query(address) {
        return Some(Endpoint { session_id: session_id.to_vec(), is_query: true });
    }
    // The authority follows the slashes, with or without a scheme before them.
    let slashes = match address {
        [b'/', b'/', ..] => Some(0),
        [b'/', ..] => None,
        _ => memchr::memmem::find(address, b"://").map(|at| at + 1),
    };
    let authority = slashes.map_or(0, |at| at + 2);
    let path_begin = address.get(authority..)?.iter().position(|&byte| byte == b'/')?;
    let is_path = authority > 0 || path_begin == 0;
    let path = address.get(authority + path_begin..)?;
    is_path.then(|| Endpoint { session_id: path.to_vec(), is_query: false })
}

/// The content encoding, unless it is empty or `identity`. Several encodings in one line are returned as one list.
pub(crate) fn encoding(content_encoding: &[u8]) -> Option<&[u8]> {
    let coding = first_line(content_encoding);
    (!coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")).then_some(coding)
}

/// The path without its query.
pub(crate) fn without_query(path: &[u8]) -> &[u8] {
    path.split(|&byte| byte == b'?').next().unwrap_or_default()
}

/// Whether the path is a well-known one (RFC 8615), such as that of OAuth's discovery documents.
/// The path is given without its query.
pub(crate) fn is_well_known(path: &[u8]) -> bool {
    path.split(|&byte| byte == b'/').any(|segment| segment == b".well-known")
}

/// Decodes the value of a mirrored header, if it is `=?base64?...?=` (2026-07-28, value encoding of headers).
pub(crate) fn decode_mirrored(value: Vec<u8>) -> Vec<u8> {
    let coded = value.strip_prefix(b"=?base64?").and_then(|rest| rest.strip_suffix(b"?="));
    coded.and_then(|coded| STANDARD.decode(coded).ok()).unwrap_or(value)
}

fn media_type(value: &[u8]) -> &[u8] {
    value.split(|&byte| matches!(byte, b';' | b',')).next().unwrap_or_default().trim_ascii()
}

/// The first of the lines that Envoy joined. Envoy adds no space after the comma; in a list within one line a space follows.
fn first_line(value: &[u8]) -> &[u8] {
    let end = value.windows(2).position(|pair| matches!(pair, [b',', next] if !next.is_ascii_whitespace()));
    value.get(..end.unwrap_or(value.len())).unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::{
        accepts_both, decode_mirrored, encoding, endpoint, is_event_stream, is_json, is_utf8, is_well_known,
        names_json, session_query, without_query,
    };
    use crate::test;

    #[test]
    fn content_types_are_recognised() {
        assert!(is_json(b"application/json"));
        assert!(is_json(b"Application/JSON; charset=utf-8"));
        assert!(is_json(b"application/problem+json"));
        assert!(!is_json(b"text/json") && !is_json(b"application/jsonp") && !is_json(b""));
        assert!(is_event_stream(b"text/event-stream;charset=utf-8"));
        assert!(accepts_both(b"text/event-stream, application/json;q=0.9"));
        assert!(!accepts_both(b"*/*") && !accepts_both(b"application/json"));
        assert_eq!(encoding(b"gzip"), Some(b"gzip".as_slice()));
        assert!(encoding(b" Identity ").is_none() && encoding(b"").is_none());
    }

    #[test]
    fn content_types_that_servers_accept_name_json() {
        assert!(names_json(b"text/plain; a=Application/JSON") && names_json(b"application/json-seq"));
        assert!(!names_json(b"application/x-ndjson") && !names_json(b"text/json") && !names_json(b"application/jso"));
    }

    #[test]
    fn charset_is_utf8_unless_it_says_otherwise() {
        for text in
            ["", "application/json", "a/b; charset=UTF-8", "a/b;charset=\"utf8\"", "a/b; q=1; charset = us-ascii"]
        {
            assert!(is_utf8(text.as_bytes()), "{text}");
        }
        for text in [
            "a/b; charset=utf-7",
            "a/b;CHARSET=\"utf-16\"",
            "a/b; charset=utf-8; charset=utf-8",
            "a/b,charset=gbk",
            "a/b; charset",
        ] {
            assert!(!is_utf8(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn first_of_joined_header_lines_counts() {
        assert!(is_json(b"application/json,application/json"));
        assert!(is_json(b"application/json; charset=utf-8,text/plain"));
        assert!(!is_json(b"text/plain,application/json"));
        assert!(is_event_stream(b"text/event-stream,text/event-stream"));
        assert!(!is_event_stream(b"application/json,text/event-stream"));
        assert_eq!(encoding(b"gzip,gzip"), Some(b"gzip".as_slice()));
        assert_eq!(encoding(b"identity,gzip"), None);
        assert_eq!(encoding(b"gzip, br"), Some(b"gzip, br".as_slice()));
        assert!(accepts_both(b"application/json,text/event-stream"));
    }

    #[test]
    fn paths_are_matched() {
        assert_eq!(without_query(b"/sse?x=/.well-known/"), b"/sse");
        assert!(is_well_known(without_query(b"/.well-known/oauth-protected-resource/mcp")));
        assert!(is_well_known(without_query(b"/tenant/.well-known/openid-configuration?x")));
        assert!(is_well_known(without_query(b"/.well-known")));
        assert!(!is_well_known(without_query(b"/mcp?next=/.well-known/x")));
        assert!(
            !is_well_known(without_query(b"/well-known/x"))
                && !is_well_known(without_query(b"/.well-known-x/y"))
                && !is_well_known(without_query(b"/mcp"))
        );
    }

    #[test]
    fn session_queries_are_read() {
        assert_eq!(session_query(b"/message?sessionId=1"), Some(b"1".as_slice()));
        assert_eq!(session_query(b"/m/?a=b&session_id=x=y"), Some(b"x=y".as_slice()));
        assert_eq!(session_query(b"/sessionId=1"), None);
        assert_eq!(session_query(b"/m?xsessionid=1"), None);
        assert_eq!(session_query(b"/m/7?sessionId="), None);
    }

    #[test]
    fn endpoint_addresses_are_read() {
        let session = |address: &[u8]| endpoint(address).map(|it| (it.session_id, it.is_query));
        assert_eq!(session(b"/message?sessionId=a-b"), Some((b"a-b".to_vec(), true)));
        assert_eq!(session(b"message?sessionid=1"), Some((b"1".to_vec(), true)));
        assert_eq!(session(b"https://host:1/m/7?x=1"), Some((b"/m/7?x=1".to_vec(), false)));
        assert_eq!(session(b"/sessions/7/messages"), Some((b"/sessions/7/messages".to_vec(), false)));
        assert_eq!(session(b"//host/m/7"), Some((b"/m/7".to_vec(), false)));
        assert_eq!(session(b"/m/7?sessionId="), Some((b"/m/7?sessionId=".to_vec(), false)));
        assert_eq!(session(b"/m?sessionId=1#top"), Some((b"1".to_vec(), true)));
        assert_eq!(session(b"/m/7?next=http://x/y"), Some((b"/m/7?next=http://x/y".to_vec(), false)));
        assert_eq!(session(b"messages/7"), None);
        assert_eq!(session(b"https://host"), None);
        assert_eq!(session(b""), None);
    }

    #[test]
    fn mirrored_header_values_are_decoded() {
        assert_eq!(decode_mirrored(b"=?base64?YWRk?=".to_vec()), b"add");
        assert_eq!(decode_mirrored(b"add".to_vec()), b"add");
        assert_eq!(decode_mirrored(b"=?base64?***?=".to_vec()), b"=?base64?***?=");
    }
}
