//! The least that an axum process can do: read a request, answer a constant.

use std::{
    env,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, Result};
use axum::{Router, routing::post, serve::ListenerExt as _};
use heyi_sandbox::{
    servers::process::{free_port, tethered},
    world::eventually,
};
use tokio::{
    net::{TcpListener, TcpStream},
    process::Child,
    time::timeout,
};

const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// Serves on `port` until killed. The body is read, as every handler of the api does.
pub(crate) async fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let constant = post(async |_: axum::body::Bytes| "success");
    let routes = Router::new()
        .route("/newOrder", constant.clone())
        .route("/notify", constant);
    let listener = listener.tap_io(|stream| {
        // The api does so too. Where it cannot be done, answers are only slower.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, routes)
        .await
        .context("cannot serve the constant")
}

/// A process of its own that serves it. Dropping it ends it.
pub(crate) struct Floor {
    port: u16,
    process: Child,
}

impl Floor {
    pub(super) async fn start() -> Result<Self> {
        let port = free_port()?;
        let process = tethered(&env::current_exe()?)
            .args(["floor", &port.to_string()])
            .spawn()
            .context("cannot start the floor")?;
        let floor = Self { port, process };
        eventually("the floor", async || {
            let connected = timeout(CONNECT_LIMIT, TcpStream::connect(floor.address())).await;
            Ok(matches!(connected, Ok(Ok(_))))
        })
        .await?;
        Ok(floor)
    }

    pub(super) fn id(&self) -> Option<u32> {
        self.process.id()
    }

    pub(super) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}
