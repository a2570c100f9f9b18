//! A minimal HTTP client with keep-alive, which leaves most of the CPU to the server.

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// HTTP 200.
pub(crate) const OK: u16 = 200;
const HEAD_END: &[u8] = b"\r\n\r\n";

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(server).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::with_capacity(4096),
        })
    }

    /// Sends a request and reads the whole answer. Returns its status.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await?;
        self.received.clear();
        loop {
            let more = self.stream.read_buf(&mut self.received).await?;
            ensure!(more > 0, "the server closed a connection");
            if let Some((status, length)) = head(&self.received)?
                && self.received.len() >= length
            {
                return Ok(status);
            }
        }
    }
}

/// An error unless the status is 200.
pub(crate) fn succeeded(status: u16) -> Result<()> {
    ensure!(status == OK, "answered {status}");
    Ok(())
}

/// A pool of connections to one server.
pub(crate) struct Connections {
    server: SocketAddr,
    idle: Mutex<Vec<Client>>,
}

impl Connections {
    pub(crate) fn new(server: SocketAddr) -> Self {
        let idle = Mutex::default();
        Self { server, idle }
    }

    /// Sends a request over an idle connection or a new one. Returns the status.
    pub(crate) async fn ask(&self, request: &[u8]) -> Result<u16> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let client = idle().pop();
        let mut client = match client {
            Some(client) => client,
            None => Client::connect(self.server).await?,
        };
        let status = client.ask(request).await?;
        idle().push(client);
        Ok(status)
    }
}

/// The status and the length of the whole answer, once its head is complete.
fn head(received: &[u8]) -> Result<Option<(u16, usize)>> {
    let mut windows = received.windows(HEAD_END.len());
    let Some(end) = windows.position(|window| window == HEAD_END) else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&received[..end])?;
    let status = head
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    let status = status.with_context(|| format!("no status: {head}"))?;
    let (_, length) = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .with_context(|| format!("no content-length: {head}"))?;
    let length = end + HEAD_END.len() + length.trim().parse::<usize>()?;
    Ok(Some((status.parse()?, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_length_are_known_with_the_head() {
        let answer = b"HTTP/1.1 503 No\r\nContent-Length: 7\r\n\r\n";
        assert_eq!(head(&answer[..20]).unwrap(), None);
        assert_eq!(head(answer).unwrap(), Some((503, answer.len() + 7)));
    }

    #[test]
    fn an_answer_without_a_length_or_a_status_is_an_error() {
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(head(b"HTTP/1.1 no\r\ncontent-length: 4\r\n\r\n").is_err());
    }
}
