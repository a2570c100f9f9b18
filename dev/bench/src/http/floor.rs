//! The least that an axum process can do: read a request, answer a constant, or what MongoDB's driver finds by an
//! index.

#![expect(clippy::disallowed_types, reason = "this is what axum does by itself")]

use std::{
    env,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, Result};
use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    routing::{get, post},
    serve::ListenerExt as _,
};
use heyi_common::store::{Code, Mapping};
use heyi_testkit::{
    servers::process::{free_port, tethered},
    world::{World, eventually},
};
use mongodb::{
    Client, Collection,
    bson::{Document, doc},
};
use tokio::{
    net::{TcpListener, TcpStream},
    process::Child,
    time::timeout,
};

const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// What MongoDB's driver finds.
#[derive(Clone)]
struct Found {
    codes: Collection<Code>,
    mappings: Collection<Mapping>,
}

/// Where the stores are, for the process of the floor.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    port: u16,
    mongo_url: String,
    database: String,
}

/// Serves until killed. The body is read, as every handler of the api does.
pub(crate) async fn serve(options: &Options) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
    let database = Client::with_uri_str(&options.mongo_url)
        .await?
        .database(&options.database);
    let found = Found {
        codes: database.collection("codes"),
        mappings: database.collection("mappings"),
    };
    let constant = async |_: axum::body::Bytes| "success";
    let routes = Router::new()
        .route("/newOrder", post(constant))
        .route("/notify", post(constant))
        .route("/qr", get(constant))
        .route("/checkOrder", get(mapping))
        .route("/reflash", get(code))
        .with_state(found);
    let listener = listener.tap_io(|stream| {
        // The api does so too. Where it cannot be done, answers are only slower.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, routes)
        .await
        .context("cannot serve the constant")
}

type Answer<T> = Result<Json<T>, StatusCode>;

async fn mapping(found: State<Found>, Query(asked): Query<Document>) -> Answer<Mapping> {
    let number = asked.get_str("out_trade_no").unwrap_or_default();
    one(&found.mappings, doc! { "_id": number }).await
}

async fn code(found: State<Found>, Query(asked): Query<Document>) -> Answer<Code> {
    let openid = asked.get_str("openId").unwrap_or_default();
    one(&found.codes, doc! { "openid": openid }).await
}

async fn one<T>(collection: &Collection<T>, wanted: Document) -> Answer<T>
where
    T: serde::de::DeserializeOwned + Send + Sync,
{
    let found = collection.find_one(wanted).await;
    let found = found.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    found.map(Json).ok_or(StatusCode::NOT_FOUND)
}

/// A process of its own that serves it. Dropping it ends it.
pub(crate) struct Floor {
    port: u16,
    process: Child,
}

impl Floor {
    pub(crate) async fn start(world: &World) -> Result<Self> {
        let port = free_port()?;
        let stores = ["HEYI_MONGO__URL", "HEYI_MONGO__DATABASE"].map(|name| world.setting(name));
        let process = tethered(&env::current_exe()?)
            .args(["floor", &port.to_string()])
            .args(stores)
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

    pub(crate) fn id(&self) -> Option<u32> {
        self.process.id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}
