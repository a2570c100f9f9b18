//! Closes a connection when its client does not read or sends no request.
//!
//! `tokio-io-timeout` was refused: each byte restarts its timeout. A client that reads one byte now and then could keep
//! a connection open indefinitely.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpSocket, TcpStream},
    time::{Instant, Sleep, sleep},
};

use super::patience::Patience;

/// Minimum read rate of a client while a write is blocked, in bytes per second.
const SLOWEST: u64 = 1024;
/// The send buffer of a connection, in bytes; Linux doubles it. The kernel reports progress when a third of the buffer
/// is free again. With a large buffer, slow clients would seem not to read at all. It also bounds the kernel's memory
/// for clients that do not read.
const SEND_BUFFER: u32 = 32 * 1024;
/// The listen backlog.
const BACKLOG: u32 = 1024;

/// Listens on `address` for connections that can be [`Paced`].
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A connection whose writes may block for a bounded time. The client extends it by reading.
///
/// A write that does not block costs one extra comparison.
pub(super) struct Paced {
    stream: TcpStream,
    /// The upper bound of [`left`](Self::left).
    patience: Duration,
    /// How much longer writes may block.
    left: Duration,
    blocked: Option<Blocked>,
    /// The wait for requests.
    requests: Patience,
}

/// A write that waits until its client reads.
struct Blocked {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

impl Paced {
    pub(super) fn new(stream: TcpStream, patience: Duration, requests: Patience) -> Self {
        Self {
            stream,
            patience,
            left: patience,
            blocked: None,
            requests,
        }
    }

    /// Returns the result of a write, unless it has blocked for too long.
    fn pace(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => self.wait(context),
            Poll::Ready(Ok(length)) => {
                self.progress(length);
                written
            }
            Poll::Ready(Err(_)) => written,
        }
    }

    fn progress(&mut self, length: usize) {
        if let Some(blocked) = self.blocked.take() {
            self.left = self.left.saturating_sub(blocked.since.elapsed());
        }
        if self.left < self.patience {
            let earned = length as u64 * 1_000_000 / SLOWEST;
            self.left = (self.left + Duration::from_micros(earned)).min(self.patience);
        }
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let blocked = self.blocked.get_or_insert_with(|| Blocked {
            since: Instant::now(),
            end: Box::pin(sleep(self.left)),
        });
        if blocked.end.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        // Otherwise the kernel would keep retransmitting data that the client does not read.
        let _ = self.stream.set_zero_linger();
        let slow = io::Error::new(io::ErrorKind::TimedOut, "the client does not read");
        Poll::Ready(Err(slow))
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        this.requests.check(context, read.is_pending())?;
        read
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.pace(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, pieces);
        this.pace(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        time::interval,
    };

    use super::{
        super::patience::{Busy, Limits},
        *,
    };

    const PATIENCE: Duration = Duration::from_millis(500);

    /// A paced connection and its client, with small buffers between them.
    async fn pair() -> (Paced, TcpStream) {
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(2048).unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(socket.connect(address), listener.accept());
        let limits = Limits {
            head: PATIENCE,
            idle: PATIENCE,
        };
        let requests = Patience::new(limits, Busy::default());
        let paced = Paced::new(accepted.unwrap().0, PATIENCE, requests);
        (paced, client.unwrap())
    }

    /// Writes until an error; returns its kind and the time until then.
    async fn write(mut paced: Paced) -> (io::ErrorKind, Duration) {
        let start = Instant::now();
        loop {
            if let Err(error) = paced.write_all(&[0; 16 * 1024]).await {
                return (error.kind(), start.elapsed());
            }
        }
    }

    #[tokio::test]
    async fn a_client_that_never_reads_is_given_up() {
        let (paced, _client) = pair().await;
        let (kind, after) = write(paced).await;
        assert_eq!(kind, io::ErrorKind::TimedOut);
        assert!(after >= PATIENCE, "{after:?}");
    }

    #[tokio::test]
    async fn a_byte_now_and_then_does_not_hold_a_connection() {
        let (paced, mut client) = pair().await;
        let reading = async {
            let mut now_and_then = interval(PATIENCE / 10);
            while client.read_u8().await.is_ok() {
                now_and_then.tick().await;
            }
            // Only the write ends the test: the rest may still be read later.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            (kind, after) = write(paced) => {
                assert_eq!(kind, io::ErrorKind::TimedOut);
                assert!(after >= PATIENCE, "{after:?}");
            }
            () = reading => {}
        }
    }

    #[tokio::test]
    async fn a_client_that_reads_is_waited_for_longer_than_that() {
        let (paced, mut client) = pair().await;
        let mut buffer = vec![0; 64 * 1024];
        let reading = async {
            let mut often = interval(PATIENCE / 10);
            let start = Instant::now();
            while start.elapsed() < 3 * PATIENCE {
                client.read_exact(&mut buffer).await.unwrap();
                often.tick().await;
            }
        };
        tokio::select! {
            (kind, after) = write(paced) => panic!("given up after {after:?}: {kind}"),
            () = reading => {}
        }
    }
}
