//! Stub.
#![allow(missing_docs, clippy::missing_errors_doc)]
use std::io;
use std::net::SocketAddr;

pub struct Front;
pub enum FrontEnd {
    InputEnded,
    SessionLost(String),
}
impl Front {
    pub fn start(_address: SocketAddr, ended: impl FnOnce(FrontEnd) + Send + 'static) -> io::Result<Self> {
        std::thread::spawn(move || {
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            ended(FrontEnd::InputEnded);
        });
        Ok(Self)
    }
}
