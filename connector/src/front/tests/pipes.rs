//! The front on real pipes, as a process has them.

use super::peer::{TOO_LONG, json, told};
use crate::front::{FrontEnd, Upstream, start};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write, pipe};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Starts a server that answers each request with the same line.
fn server() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        super::peer::run(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = service_fn(move |_| async move { Ok::<_, Infallible>(json(ANSWER)) });
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::task::spawn_local(async move { drop(connection.await) });
            }
        });
    });
    address
}

/// The front between two pipes: the client's ends, and how the front ended.
fn start_on_pipes(upstream: Upstream) -> (PipeWriter, PipeReader, mpsc::Receiver<FrontEnd>) {
    let (front_input, input) = pipe().unwrap();
    let (output, front_output) = pipe().unwrap();
    let (sender, ended) = mpsc::channel();
    start(upstream, told().1, front_input, front_output, move |end| sender.send(end).unwrap()).unwrap();
    (input, output, ended)
}

/// The line with which the server answers each request.
const ANSWER: &str = r#"{"id":1,"result":{}}"#;

fn upstream() -> Upstream {
    Upstream { address: server(), path: "/mcp".to_owned(), headers_at_once: false }
}

#[test]
fn client_reads_an_answer_while_the_front_waits_for_more() {
    let (mut input, output, ended) = start_on_pipes(upstream());
    // Reading may block for ever if the front holds the pipe.
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || BufReader::new(output).lines().try_for_each(|line| sender.send(line.unwrap())));
    for _ in 0..3 {
        input.write_all(b"{\"id\":1,\"method\":\"ping\"}\n").unwrap();
        assert_eq!(lines.recv_timeout(TOO_LONG).unwrap(), ANSWER);
    }
    // The last line needs no end, and its answer comes before the front ends.
    input.write_all(b"{\"id\":1,\"method\":\"ping\"}").unwrap();
    drop(input);
    assert_eq!(lines.recv_timeout(TOO_LONG).unwrap(), ANSWER);
    assert_eq!(ended.recv_timeout(TOO_LONG).unwrap(), FrontEnd::InputEnded);
}

#[test]
fn client_that_closes_its_side_ends_the_front() {
    let (mut input, output, ended) = start_on_pipes(upstream());
    drop(output);
    let end = (0..2000).find_map(|_| {
        // It notices when it writes. Its side of the input is closed then.
        let _ = input.write_all(b"{\"id\":1,\"method\":\"ping\"}\n");
        ended.recv_timeout(Duration::from_millis(10)).ok()
    });
    assert_eq!(end, Some(FrontEnd::InputEnded));
}

#[test]
fn client_that_hangs_up_ends_the_front_while_lines_wait_for_their_turn() {
    // It accepts connections and answers nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = Upstream { address: silent.local_addr().unwrap(), path: "/mcp".to_owned(), headers_at_once: true };
    let (mut input, _output, ended) = start_on_pipes(upstream);
    input.write_all(b"{\"id\":0,\"method\":\"initialize\"}\n").unwrap();
    for _ in 0..2 {
        input.write_all(b"{\"method\":\"notifications/initialized\"}\n").unwrap();
    }
    assert!(ended.recv_timeout(Duration::from_millis(200)).is_err());
    drop(input);
    assert_eq!(ended.recv_timeout(TOO_LONG).unwrap(), FrontEnd::InputEnded);
}
