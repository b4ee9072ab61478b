//! Compressed responses: gzip and deflate are read, other codings are unknown.

use super::{end, event, result};
use crate::test;
use crate::testing::{Log, Script};
use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// The same script with the response body in this coding.
fn coded(mut script: Script, coding: &str, compress: impl Fn(&[u8]) -> Vec<u8>) -> Script {
    script.response.insert("content-encoding", coding.to_owned());
    script.response_body = compress(&script.response_body);
    script
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    [&GZIP_HEADER[..], &compress_to_vec(bytes, 6), &[0; 8]].concat()
}

fn skips(script: &Script) -> Vec<String> {
    script.play().into_iter().filter(|line| line.starts_with("skip ")).collect()
}

fn tool_error() -> String {
    result(r#""content":[],"isError":true"#)
}

#[test]
fn tool_error_is_seen_in_every_coding() {
    let answer = tool_error();
    for script in [Script::tool_call().json(&answer), Script::tool_call().sse(&event(&answer))] {
        for script in [
            coded(script.clone(), "gzip", gzip),
            coded(script.clone(), "X-GZIP", gzip),
            coded(script.clone(), "deflate", |bytes| compress_to_vec_zlib(bytes, 6)),
            coded(script.clone(), "deflate", |bytes| compress_to_vec(bytes, 6)),
        ] {
            assert_eq!(end(&script), "tools/call error/tool_error");
            assert_eq!(skips(&script), [""; 0]);
        }
    }
}

#[test]
fn message_size_is_decoded_and_body_bytes_are_encoded() {
    let script = coded(Script::tool_call().json(&tool_error()), "gzip", gzip);
    let lines = script.play();
    let size = format!("{:?} bytes", Some(tool_error().len()));
    assert!(Log::ends(&lines)[0].ends_with(&size), "{lines:?}");
    assert!(lines.contains(&format!("bytes out {}", script.response_body.len())), "{lines:?}");
}

#[test]
fn any_chunking_of_compressed_stream_gives_the_same() {
    let stream = event(r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#) + &event(&tool_error());
    let mut script = coded(Script::tool_call().sse(&stream), "gzip", gzip);
    // Each callback has its own time.
    let play = |script: &Script| script.play().join("\n").replace("Some(2) ms", "Some(1) ms");
    let expected = play(&script);
    for chunk in 1..60 {
        script.chunk = chunk;
        assert_eq!(play(&script), expected, "{chunk}");
    }
}

#[test]
fn other_codings_are_unknown() {
    for coding in ["br", "zstd", "compress", "gzip, br", "gzip, gzip", "br,gzip"] {
        let script = coded(Script::tool_call().json(&tool_error()), coding, gzip);
        assert_eq!(end(&script), "tools/call unknown", "{coding}");
        assert_eq!(skips(&script), ["skip out content_encoding"], "{coding}");
    }
}

#[test]
fn first_of_two_codings_counts() {
    let twice = coded(Script::tool_call().json(&tool_error()), "gzip,gzip", gzip);
    assert_eq!(end(&twice), "tools/call error/tool_error");
}

#[test]
fn error_page_in_other_coding_has_outcome_of_its_status() {
    let page = coded(Script::tool_call().answered(502, "application/json", "{}"), "br", gzip);
    assert_eq!((end(&page).as_str(), skips(&page)), ("tools/call error/http_error", vec![]));
}

#[test]
fn broken_truncated_and_oversized_content_is_unknown() {
    let check = |compress: &dyn Fn(&[u8]) -> Vec<u8>, reason: &str| {
        for script in [Script::tool_call().json(&tool_error()), Script::tool_call().sse(&event(&tool_error()))] {
            let script = coded(script, "gzip", compress);
            assert_eq!(end(&script), "tools/call unknown", "{reason}");
            assert_eq!(skips(&script), [format!("skip out {reason}")]);
        }
    };
    check(&|_| b"not compressed".to_vec(), "content_encoding");
    check(&|bytes| gzip(bytes)[..20].to_vec(), "truncated");
    check(&|_| gzip(&vec![b' '; 10 << 20]), "content_encoding");
}

#[test]
fn invalid_json_is_reported_once() {
    let script = coded(Script::tool_call().json(r#"{"jsonrpc":"2.0",,"id":1}"#), "gzip", gzip);
    assert_eq!(skips(&script), ["skip out invalid_json"]);
    let script = coded(Script::tool_call().json(r#"{"jsonrpc":"2.0""#), "gzip", gzip);
    assert_eq!(skips(&script), ["skip out truncated"]);
    let script = coded(Script::tool_call().json(""), "gzip", |_| Vec::new());
    assert_eq!(end(&script), "tools/call error/no_response");
    assert_eq!(skips(&script), [""; 0]);
}

#[test]
fn compressed_stream_is_recognised_by_first_event() {
    let script = Script::get().without("mcp-protocol-version");
    let message = event(r#"{"jsonrpc":"2.0","method":"notifications/message"}"#);
    let lines = coded(script.clone().sse(&message), "gzip", gzip).play();
    assert!(lines.contains(&"notification out notifications/message".to_owned()), "{lines:?}");
    // The content cannot be attributed to MCP.
    assert_eq!(coded(script.sse(&message), "gzip", |_| b"garbage".to_vec()).play(), ["StreamSeen"]);
}

#[test]
fn response_to_large_batch_is_not_read() {
    let play = |count: usize| {
        let call = |id| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"a"}}}}"#);
        let batch: Vec<_> = (0..count).map(call).collect();
        let answers: Vec<_> = (0..count).map(|id| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)).collect();
        let script = Script::post(&format!("[{}]", batch.join(","))).json(&format!("[{}]", answers.join(",")));
        coded(script, "gzip", gzip).play()
    };
    assert_eq!(Log::ends(&play(16)).iter().filter(|end| end.starts_with("tools/call ok")).count(), 16);
    assert_eq!(Log::ends(&play(17)).iter().filter(|end| end.starts_with("tools/call unknown")).count(), 17);
}
