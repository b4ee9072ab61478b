//! One keep-alive connection. It is opened by the first request, and again after the other side closed it.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HOST, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use std::fmt;
use std::sync::Arc;
use tokio::net::TcpStream;

/// The parts of an http URL.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    host: String,
    port: u16,
    authority: HeaderValue,
    pub(crate) path: PathAndQuery,
}

/// A request that is ready to be sent.
pub(crate) type Outgoing = Request<Full<Bytes>>;

/// Why there is no response.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request was not sent.
    NotSent(String),
    /// The connection broke before the response came.
    Broken,
}

/// `None` until the first request.
#[derive(Debug)]
pub(crate) struct Connection {
    to: Arc<Address>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

// === impl Address ===

impl Address {
    /// `None` if it is not an http URL, or has userinfo.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        if uri.scheme_str() != Some("http") || uri.port_u16() == Some(0) {
            return None;
        }
        Some(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(80),
            authority: HeaderValue::from_str(authority.as_str()).ok()?,
            path: uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority.to_str().unwrap_or_default(), self.path)
    }
}

// === impl Failure ===

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(reason) => f.write_str(reason),
            Self::Broken => f.write_str("the connection broke"),
        }
    }
}

// === impl Connection ===

impl Connection {
    pub(crate) fn new(to: Arc<Address>) -> Self {
        Self { to, sender: None }
    }

    /// Sends one request and waits for the response headers. Before the next request, read the body to its end or close the
    /// connection.
    pub(crate) async fn send(&mut self, mut request: Outgoing) -> Result<Response<Incoming>, Failure> {
        request.headers_mut().insert(HOST, self.to.authority.clone());
        // A second attempt, because the other side may have closed an idle connection.
        for _ in 0..2 {
            let sender = self.ready().await.map_err(|error| Failure::NotSent(error.to_string()))?;
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => {
                        self.close();
                        return Err(Failure::Broken);
                    }
                },
            }
            self.close();
        }
        Err(Failure::NotSent("closed by the other side".to_owned()))
    }

    pub(crate) fn close(&mut self) {
        self.sender = None;
    }

    async fn ready(&mut self) -> std::io::Result<&mut SendRequest<Full<Bytes>>> {
        if let Some(sender) = &mut self.sender
            && sender.ready().await.is_err()
        {
            self.sender = None;
        }
        match &mut self.sender {
            Some(sender) => Ok(sender),
            missing => Ok(missing.insert(connect(&self.to).await?)),
        }
    }
}

async fn connect(to: &Address) -> std::io::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect((to.host.as_str(), to.port)).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
    // The requests return its errors.
    tokio::spawn(connection);
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn valid_addresses_are_parsed() {
        for (url, shown) in
            [("http://localhost:4000", "http://localhost:4000/"), ("http://[::1]/mcp?a=1", "http://[::1]/mcp?a=1")]
        {
            assert_eq!(Address::parse(url).unwrap().to_string(), shown);
        }
        assert_eq!(Address::parse("http://[::1]/").unwrap().host, "::1");
    }

    #[test]
    fn invalid_addresses_fail() {
        for url in
            ["", "localhost:4000", "https://localhost", "http://", "http://a@b", "http://localhost:0", "http://a b"]
        {
            assert!(Address::parse(url).is_none(), "{url}");
        }
    }
}
