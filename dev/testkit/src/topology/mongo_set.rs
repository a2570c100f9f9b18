//! A MongoDB replica set of three.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};
use futures::future::join_all;
use mongodb::{
    Client,
    bson::{Document, doc},
    options::ClientOptions,
};

use crate::{servers::Server, world::eventually};

const PATIENCE: Duration = Duration::from_secs(2);
/// How long a primary that stepped down cannot be elected, in seconds.
const STEP_DOWN_SECONDS: i32 = 5;
/// How long it waits for a secondary to catch up, in seconds.
const CATCH_UP_SECONDS: i32 = 2;

/// Three members, any of which may be primary.
#[derive(Debug)]
pub struct MongoSet {
    /// All members. Failovers change which is primary.
    pub servers: Vec<Server>,
}

impl MongoSet {
    /// Starts all three with their data below `dir`, forms the set and waits for a primary and two secondaries. Their
    /// election timeout is two seconds.
    pub async fn start(dir: &Path) -> Result<Self> {
        let mut servers = Vec::new();
        for number in 0..3 {
            servers.push(Server::mongo_member(&dir.join(format!("mongo-{number}"))).await?);
        }
        let set = Self { servers };
        let members = set.servers.iter().zip(0i32..);
        let members: Vec<Document> = members
            .map(|(server, id)| doc! { "_id": id, "host": server.address() })
            .collect();
        let initiate = doc! { "replSetInitiate": {
            "_id": "rs0",
            "members": members,
            "settings": { "electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500 },
        } };
        run(&set.servers[0], initiate).await?;
        set.settled().await?;
        Ok(set)
    }

    /// The `mongo.url` of clients.
    pub fn url(&self) -> String {
        let members: Vec<String> = self.servers.iter().map(Server::address).collect();
        format!("mongodb://{}/?replicaSet=rs0", members.join(","))
    }

    /// The index of the primary, if there is one.
    pub async fn primary(&self) -> Option<usize> {
        for (number, server) in self.servers.iter().enumerate() {
            if role(server).await == Some(Role::Primary) {
                return Some(number);
            }
        }
        None
    }

    /// Makes the primary step down, and waits for the next one.
    pub async fn hand_over(&self) -> Result<()> {
        let primary = self.primary().await.context("there is no primary")?;
        let step_down = doc! {
            "replSetStepDown": STEP_DOWN_SECONDS,
            "secondaryCatchUpPeriodSecs": CATCH_UP_SECONDS,
        };
        run(&self.servers[primary], step_down).await?;
        self.has_moved_from(primary).await
    }

    /// Waits until another member is primary.
    pub async fn has_moved_from(&self, before: usize) -> Result<()> {
        eventually("another primary", async || {
            Ok(self.primary().await.is_some_and(|now| now != before))
        })
        .await
    }

    /// Waits until one member is primary and all others are secondaries.
    pub async fn settled(&self) -> Result<()> {
        eventually("a primary and two secondaries", async || {
            let mut roles = join_all(self.servers.iter().map(role)).await;
            roles.sort();
            let (primary, secondary) = (Some(Role::Primary), Some(Role::Secondary));
            Ok(roles == [primary, secondary, secondary])
        })
        .await
    }
}

/// The role of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Primary,
    Secondary,
}

async fn role(server: &Server) -> Option<Role> {
    let hello = run(server, doc! { "hello": 1 }).await.ok()?;
    let is = |what: &str| hello.get_bool(what).unwrap_or(false);
    if is("isWritablePrimary") {
        return Some(Role::Primary);
    }
    is("secondary").then_some(Role::Secondary)
}

async fn run(server: &Server, command: Document) -> Result<Document> {
    let mut options = ClientOptions::parse(server.url()).await?;
    options.server_selection_timeout = Some(PATIENCE);
    options.connect_timeout = Some(PATIENCE);
    let client = Client::with_options(options)?;
    let answer = client.database("admin").run_command(command).await;
    client.shutdown().immediate(true).await;
    answer.with_context(|| format!("tell MongoDB at {}", server.address()))
}
