//! One thread that serves connections.
//!
//! With one runtime for all threads, `/checkOrder` costs the api 1.21 times the CPU, and `/qr`, `/notify` and `/newOrder` as much as
//! now ([measured](../../../docs/performance.md#speed-ups)). A thread that hangs would also show no longer in the watchdog.

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

/// What requests may take to finish when the process is told to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// The longest head of a request, in bytes. hyper also keeps about as much of an answer until it is written.
const HEAD_LIMIT: usize = 32 * 1024;
/// Connections that were accepted and are not served yet.
const WAITING: usize = 1024;

/// A client, where it is, and its place among the open connections.
pub(super) type Connection = (std::net::TcpStream, SocketAddr, Open);

/// A thread with the whole API and connections to Redis and MongoDB of its own: a request stays where its connection is, so
/// nothing about it has to be handed from core to core.
pub(super) struct Thread {
    connections: Sender<Connection>,
    running: thread::JoinHandle<()>,
}

impl Thread {
    /// Starts one that serves until it is [ended](end). When it ends by itself, it cancels `stop`.
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
            // A thread less would go unnoticed.
            let _end = stop.drop_guard();
            runtime.block_on(serve(state, accepted, pulse));
        };
        Ok(Self {
            connections,
            running: thread::Builder::new().name(name).spawn(serve)?,
        })
    }

    /// Gives it a connection to serve.
    pub(super) async fn serve(&self, connection: Connection) -> anyhow::Result<()> {
        let given = self.connections.send(connection).await;
        given.context("a thread that serves has ended")
    }
}

/// Tells all threads to serve no more, and waits until what they began has ended, but not for ever.
pub(super) fn end(threads: Vec<Thread>) -> anyhow::Result<()> {
    // All are told before the first is waited for.
    let running: Vec<_> = threads.into_iter().map(|thread| thread.running).collect();
    let ended: Vec<_> = running.into_iter().map(thread::JoinHandle::join).collect();
    let panicked = ended.iter().any(Result::is_err);
    ensure!(!panicked, "a thread that serves panicked");
    Ok(())
}

async fn serve(state: AppState, mut accepted: Receiver<Connection>, pulse: Pulse) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        // `Patience` has the limits: this one would count idle time as well.
        .header_read_timeout(None)
        .max_buf_size(HEAD_LIMIT)
        // Answers are short: to copy them behind their heads costs less than to have the kernel gather two pieces.
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
