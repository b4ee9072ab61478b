//! A forward proxy that accepts CONNECT, resolves every name to this machine, and records the requests.

use super::{LONGEST, LOOPBACK, Upstream};
use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::{self, Receiver};
use std::thread;

/// A CONNECT that the proxy received: its target, and the value of `Proxy-Authorization`.
pub(crate) type Connect = (String, Option<String>);

pub(crate) struct ConnectProxy {
    listener: Upstream,
    connects: Receiver<Connect>,
}

impl ConnectProxy {
    /// Starts a proxy that requires this `Proxy-Authorization`, if given.
    pub(crate) fn start(wanted: Option<&'static str>) -> Self {
        let (sender, connects) = mpsc::channel();
        let listener = Upstream::start(move |request, stream| {
            let authorization = request.header("proxy-authorization").map(str::to_owned);
            let target = request.line.strip_prefix("CONNECT ").and_then(|rest| rest.strip_suffix(" HTTP/1.1"));
            let target = target.unwrap_or("(no CONNECT)").to_owned();
            let is_welcome = wanted.is_none() || wanted == authorization.as_deref();
            let port = target.rsplit(':').next().and_then(|port| port.parse().ok());
            let _ = sender.send((target, authorization));
            let answer: &[u8] = if is_welcome { b"200 Connection established" } else { b"407 Who are you" };
            let _ = stream.write_all(&[b"HTTP/1.1 ", answer, b"\r\n\r\n"].concat());
            if let Some(server) = port.filter(|_| is_welcome).map(|port: u16| TcpStream::connect((LOOPBACK, port))) {
                pass(stream, &server.unwrap());
            }
        });
        Self { listener, connects }
    }

    pub(crate) fn address(&self) -> String {
        self.listener.address.to_string()
    }

    /// The next CONNECT.
    pub(crate) fn connect(&self) -> Connect {
        self.connects.recv_timeout(LONGEST).unwrap()
    }

    /// Whether no further CONNECT has arrived.
    pub(crate) fn is_idle(&self) -> bool {
        self.connects.try_recv().is_err()
    }
}

/// Copies bytes in both directions until both sides have closed.
fn pass(client: &TcpStream, server: &TcpStream) {
    let copy = |from: &TcpStream, to: &TcpStream| {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        })
    };
    for copying in [copy(client, server), copy(server, client)] {
        let _ = copying.join();
    }
}
