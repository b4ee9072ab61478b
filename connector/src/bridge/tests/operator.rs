//! What the operator is told.

use crate::bridge::programs::Programs;
use crate::bridge::sessions::Sessions;
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

#[tokio::test]
async fn operator_is_told_about_a_silent_program_and_once_about_refused_sessions() {
    let (reader, writer) = std::io::pipe().unwrap();
    let (sender, mut lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        BufReader::new(reader).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    let command = Command::find(&["/bin/cat".into()], vec![]).unwrap();
    let idle = Duration::from_secs(5);
    let settings = Settings { command, name: None, sessions: 1, idle, line_bytes: 1024 };
    let times = Times { headers: Duration::from_millis(10), silent: Duration::from_millis(50), ..TIMES };
    let mut told = Vec::new();
    let local = LocalSet::new();
    local
        .run_until(async {
            let programs = Rc::new(Programs::new(settings, times, Errors::to(writer).unwrap()));
            let sessions = Rc::new(Sessions::new(programs.clone()));
            let text = Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#);
            let message = Message::read(&text).unwrap();
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
    drop(local);
    while let Some(line) = lines.recv().await {
        told.push(line);
    }
    let refused = "mcp-sidecar: a client was refused: all 1 sessions are in use; end one with DELETE, set MCP_STDIO_SESSIONS \
                   (1 to 1000) higher, or MCP_STDIO_IDLE_MS (now 5000) lower";
    assert_eq!(told.iter().filter(|line| *line == refused).count(), 1, "{told:?}");
    let silent = |line: &&String| line.starts_with("mcp-sidecar: cat ") && line.contains("has not answered initialize");
    assert_eq!(told.iter().filter(silent).count(), 1, "{told:?}");
    assert_eq!(told.len(), 2, "{told:?}");
}
