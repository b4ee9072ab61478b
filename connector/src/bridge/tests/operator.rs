//! What the operator is told.

use crate::bridge::programs::Programs;
use crate::bridge::sessions::Sessions;
use crate::bridge::shared::Shared;
use crate::bridge::{Settings, TIMES, Times};
use crate::message::{Kind, Message};
use crate::program::{Command, Errors};
use bytes::Bytes;
use hyper::StatusCode;
use std::io::{BufRead, BufReader};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

const SILENT: &str = " has not answered its first request for 0 s. npx, uvx and docker download at their first start, which may \
                      take minutes. Otherwise: is it an MCP server on standard input and output?";

/// Programs that never answer, and the lines that the operator is told about them.
fn silent_programs() -> (Rc<Programs>, mpsc::UnboundedReceiver<String>) {
    let (reader, writer) = std::io::pipe().unwrap();
    let (sender, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        BufReader::new(reader).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    let command = Command::find(&["/bin/sleep".into(), "60".into()], vec![]).unwrap();
    let settings = Settings { command, name: None, sessions: 1, idle: Duration::from_secs(5), line_bytes: 1024 };
    let times = Times { headers: Duration::from_millis(10), silent: Duration::from_millis(50), ..TIMES };
    (Rc::new(Programs::new(settings, times, Errors::to(writer).unwrap())), lines)
}

fn message(text: &'static str) -> Message {
    Message::read(&Bytes::from_static(text.as_bytes())).unwrap()
}

/// The lines that are left once all writers are gone.
async fn rest(mut lines: mpsc::UnboundedReceiver<String>) -> Vec<String> {
    let mut rest = Vec::new();
    while let Some(line) = lines.recv().await {
        rest.push(line);
    }
    rest
}

#[tokio::test]
async fn operator_is_told_about_a_silent_program_and_once_about_refused_sessions() {
    let (programs, mut lines) = silent_programs();
    let mut told = Vec::new();
    let local = LocalSet::new();
    local
        .run_until(async {
            let sessions = Rc::new(Sessions::new(programs.clone()));
            let message = message(r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#);
            let Kind::Request(_, id) = message.kind() else { unreachable!("it is a request") };
            let waiting = sessions.initialize(&message, id).await;
            for _ in 0..3 {
                assert_eq!(sessions.initialize(&message, id).await.status(), StatusCode::SERVICE_UNAVAILABLE);
            }
            for _ in 0..2 {
                told.push(lines.recv().await.unwrap());
            }
            drop(waiting);
            programs.end().await;
        })
        .await;
    drop((local, programs));
    told.extend(rest(lines).await);
    let refused = "mcp-sidecar: a client was refused: all 1 sessions are in use; end one with DELETE, set MCP_STDIO_SESSIONS \
                   (1 to 1000) higher, or MCP_STDIO_IDLE_MS (now 5000) lower";
    assert_eq!(told.iter().filter(|line| *line == refused).count(), 1, "{told:?}");
    let silent = |line: &&String| line.starts_with("mcp-sidecar: sleep ") && line.ends_with(SILENT);
    assert_eq!(told.iter().filter(silent).count(), 1, "{told:?}");
    assert_eq!(told.len(), 2, "{told:?}");
}

#[tokio::test]
async fn operator_is_told_about_a_silent_program_of_all_clients() {
    let (programs, mut lines) = silent_programs();
    let local = LocalSet::new();
    let told = local
        .run_until(async {
            let shared = Rc::new(Shared::new(programs.clone()));
            let request = message(r#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#);
            let told = tokio::select! {
                line = lines.recv() => line.unwrap(),
                _ = shared.discover(&request) => panic!("it never answers"),
            };
            programs.end().await;
            told
        })
        .await;
    drop((local, programs));
    assert!(told.starts_with("mcp-sidecar: sleep ") && told.ends_with(SILENT), "{told}");
    assert_eq!(rest(lines).await, [""; 0]);
}
