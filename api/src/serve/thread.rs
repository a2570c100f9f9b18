//! A thread that serves connections.
//!
//! With one runtime for all threads, `/checkOrder` costs the api 1.21 times the CPU. `/qr`, `/notify` and `/newOrder`
//! cost the same ([measured](../../../docs/performance.md#speed-ups)). The watchdog could also no longer detect a
//! single blocked thread.

use std::{convert::Infallible, net::SocketAddr, thread, time::Duration};

use anyhow::{Context, ensure};
use axum::{extract::ConnectInfo, http::Request};
use heyi_common::watchdog::Pulse;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::TcpStream,
    runtime::Builder,
    sync::mpsc::{Receiver, Sender, channel},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::{
    connections::Open,
    paced::Paced,
    patience::{Answer, Busy, Limits, Patience},
};
use crate::{routes::router, state::AppState};

/// Timeout for requests in flight after the process is asked to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// The size limit of a request's head, in bytes. hyper also buffers about as much of a response.
const HEAD_LIMIT: usize = 32 * 1024;
/// Accepted connections that wait to be served.
const WAITING: usize = 1024;

/// A client's stream, its address, and its slot among the open connections.
pub(super) type Connection = (std::net::TcpStream, SocketAddr, Open);

/// A thread with the whole API and its own connections to Redis and MongoDB. A request stays on the
/// thread of its connection, so that nothing moves between cores.
pub(super) struct Thread {
    connections: Sender<Connection>,
    running: thread::JoinHandle<()>,
}

impl Thread {
    /// Starts a thread that serves until [`end`]. If it ends earlier, it cancels `stop`.
    pub(super) fn start(
        name: String,
        state: &AppState,
        stop: CancellationToken,
        pulse: Pulse,
    ) -> anyhow::Result<Self> {
        let (connections, accepted) = channel(WAITING);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let inside = runtime.enter();
        let state = state.for_another_runtime()?;
        drop(inside);
        let serve = move || {
            // Otherwise the loss of a thread would go unnoticed.
            let _end = stop.drop_guard();
            runtime.block_on(serve(state, accepted, pulse));
        };
        Ok(Self {
            connections,
            running: thread::Builder::new().name(name).spawn(serve)?,
        })
    }

    /// Passes it a connection to serve.
    pub(super) async fn serve(&self, connection: Connection) -> anyhow::Result<()> {
        let given = self.connections.send(connection).await;
        given.context("a thread that serves has ended")
    }
}

/// Asks all threads to stop and waits for their requests in flight, with a timeout.
pub(super) fn end(threads: Vec<Thread>) -> anyhow::Result<()> {
    // Signal all threads before waiting for the first.
    let running: Vec<_> = threads.into_iter().map(|thread| thread.running).collect();
    let ended: Vec<_> = running.into_iter().map(thread::JoinHandle::join).collect();
    let panicked = ended.iter().any(Result::is_err);
    ensure!(!panicked, "a thread that serves panicked");
    Ok(())
}

async fn serve(state: AppState, mut accepted: Receiver<Connection>, pulse: Pulse) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        // `Patience` has the timeouts; hyper's would include idle time.
        .header_read_timeout(None)
        .max_buf_size(HEAD_LIMIT)
        // Responses are short: copying the body behind the head costs less than a vectored write.
        .writev(false);
    let patience = state.config.http.write_timeout;
    let limits = Limits {
        head: state.config.http.header_timeout,
        idle: state.config.http.idle_timeout,
    };
    tokio::spawn(pulse.beat());
    let router = router(state);
    let begun = GracefulShutdown::new();
    while let Some((stream, peer, open)) = accepted.recv().await {
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::error!(%error, "a connection cannot be served");
                continue;
            }
        };
        let busy = Busy::default();
        let requests = Patience::new(limits, busy.clone());
        let stream = TokioIo::new(Paced::new(stream, patience, requests));
        let router = router.clone();
        let answer = service_fn(move |mut request: Request<Incoming>| {
            let answering = busy.begin();
            request.extensions_mut().insert(ConnectInfo(peer));
            let answer = router.clone().call(request);
            async move {
                let answer = answer.await?;
                Ok::<_, Infallible>(answer.map(|body| Answer::new(body, answering)))
            }
        });
        let connection = begun.watch(http.serve_connection(stream, answer));
        tokio::spawn(async move {
            let _open = open;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
        });
    }
    if timeout(DRAIN, begun.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
}
