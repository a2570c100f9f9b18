//! The baselines. An axum process reads a request and answers a constant, or a document that MongoDB's driver finds by an
//! index. `redis-benchmark` measures Redis alone.

#![expect(clippy::disallowed_types, reason = "this is what axum does by default")]

use std::{env, net::SocketAddr};

use anyhow::{Context as _, Result, ensure};
use axum::{
    Json, Router,
    extract::Query,
    http::StatusCode,
    routing::{get, post},
    serve::ListenerExt as _,
};
use heyi_common::store::{Code, Mapping};
use heyi_testkit::{
    servers::{
        Server,
        process::{free_port, tethered},
    },
    world::{World, eventually},
};
use mongodb::{
    Client, Collection,
    bson::{Document, doc},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

use crate::load::CONNECTIONS;

/// About as long as a notify.
const BODY: &str = "return_code=1&total_fee=990&out_trade_no=20250101000000000000000000000001&payjs_order_id=\
    2025010112345600000000001&transaction_id=4200000000202501000000000001&time_end=2025-01-01+12%3A34%3A56&\
    openid=oPAYJS00000000000000000000000&mchid=1234567890&sign=0123456789ABCDEF0123456789ABCDEF";
/// Writes one of many keys.
pub(crate) const SET: &[&str] = &["SET", "bench:__rand_int__", BODY];
/// Appends to one stream.
pub(crate) const XADD: &[&str] = &["XADD", "bench", "*", "form", BODY];

/// The options of the baseline.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    address: SocketAddr,
    mongo_url: String,
    database: String,
}

/// Serves until it is killed. It reads the body, as every handler of the api does.
pub(crate) async fn serve(options: &Options) -> Result<()> {
    let client = Client::with_uri_str(&options.mongo_url).await?;
    let database = client.database(&options.database);
    let (codes, mappings) = (
        database.collection("codes"),
        database.collection("mappings"),
    );
    let constant = async |_: axum::body::Bytes| "success";
    let mapping = async move |Query(asked): Query<Document>| {
        find::<Mapping>(&mappings, "_id", asked.get("out_trade_no")).await
    };
    let code = async move |Query(asked): Query<Document>| {
        find::<Code>(&codes, "openid", asked.get("openId")).await
    };
    let routes = Router::new()
        .route("/newOrder", post(constant))
        .route("/notify", post(constant))
        .route("/qr", get(constant))
        .route("/checkOrder", get(mapping))
        .route("/reflash", get(code));
    let listener = TcpListener::bind(options.address).await?;
    // As the api does. Without it answers are only slower.
    let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));
    axum::serve(listener, routes).await.context("cannot serve")
}

async fn find<T: Serialize + DeserializeOwned + Send + Sync>(
    collection: &Collection<T>,
    field: &str,
    value: Option<&mongodb::bson::Bson>,
) -> Result<Json<T>, StatusCode> {
    let found = collection.find_one(doc! { field: value }).await;
    let found = found.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    found.map(Json).ok_or(StatusCode::NOT_FOUND)
}

/// The baseline's process. Dropping it ends it.
pub(crate) struct Baseline {
    pub(crate) address: SocketAddr,
    process: Child,
}

impl Baseline {
    pub(crate) async fn start(world: &World) -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let stores = ["HEYI_MONGO__URL", "HEYI_MONGO__DATABASE"].map(|name| world.setting(name));
        let process = tethered(&env::current_exe()?)
            .args(["baseline", &address.to_string()])
            .args(stores)
            .spawn()?;
        let connects = async || Ok(TcpStream::connect(address).await.is_ok());
        eventually("the baseline", connects).await?;
        Ok(Self { address, process })
    }

    pub(crate) fn id(&self) -> Option<u32> {
        self.process.id()
    }
}

/// Writes a second of Redis alone, by `redis-benchmark`.
pub(crate) async fn redis_rate(world: &World, command: &[&str], count: u32) -> Result<f64> {
    let port = world.redis.as_ref().map(Server::port);
    let port = port.context("no Redis of its own")?;
    let options = format!("-p {port} -c {CONNECTIONS} -n {count} -r 1000000 --csv");
    let output = Command::new("redis-benchmark")
        .args(options.split(' '))
        .args(command)
        .output()
        .await
        .context("cannot run redis-benchmark, which comes with redis-cli")?;
    ensure!(output.status.success(), "redis-benchmark failed");
    // "<the command>","12345.67",…
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().last().unwrap_or_default();
    let rate = line
        .split("\",\"")
        .nth(1)
        .and_then(|rate| rate.parse().ok());
    rate.with_context(|| format!("cannot read the output of redis-benchmark: {text}"))
}
