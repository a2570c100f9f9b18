//! Explains failures of MongoDB to the person who repairs it.

use std::time::Duration;

use mongodb::{
    Client,
    bson::{Document, doc},
    options::{ClientOptions, ServerAddress},
};
use tokio::{net::TcpStream, time::timeout};

use super::{Result, Store, StoreError, indexes::code_of};
use crate::outage::causes;

/// Timeout of a probe of one server.
const PROBE_WITHIN: Duration = Duration::from_secs(1);
/// MongoDB's error code for a command that this user may not run.
const UNAUTHORIZED: i32 = 13;
/// The actions that the processes need in their database, as MongoDB names them.
const ACTIONS: [&str; 6] = [
    "find",
    "insert",
    "update",
    "remove",
    "createIndex",
    "changeStream",
];
const LONGEST_CAUSE: usize = 300;

impl Store {
    /// The servers that `mongo.url` names, without user and password.
    pub fn address(&self) -> String {
        let hosts: Vec<String> = self.options.hosts.iter().map(ToString::to_string).collect();
        hosts.join(",")
    }

    /// Explains why a command failed, where MongoDB is, and what to do. Asks the servers.
    pub async fn explain(&self, error: &StoreError) -> String {
        let at = format!("MongoDB at {}", self.address());
        let why = match error {
            StoreError::Denied(cause) => self.denied(cause),
            StoreError::Mongo(cause) if code_of(cause).is_some() => short(&cause.to_string()),
            StoreError::Mongo(_) | StoreError::Slow => match self.probe().await {
                Some(found) => found,
                None => self.login().await.unwrap_or_else(|| short(&causes(error))),
            },
            other => causes(other),
        };
        format!("{at}: {why}")
    }

    /// The rights that the user of `mongo.url` lacks; none if MongoDB has no users.
    pub async fn missing_rights(&self) -> Result<Vec<&'static str>> {
        let status = doc! { "connectionStatus": 1, "showPrivileges": true };
        let status = self.database.run_command(status).await?;
        let Ok(login) = status.get_document("authInfo") else {
            return Ok(Vec::new());
        };
        if login
            .get_array("authenticatedUsers")
            .is_ok_and(Vec::is_empty)
        {
            return Ok(Vec::new());
        }
        let privileges = login.get_array("authenticatedUserPrivileges");
        let privileges = privileges.into_iter().flatten();
        let ours: Vec<&Document> = privileges
            .filter_map(|privilege| privilege.as_document())
            .filter(|privilege| self.is_about_codes(privilege))
            .collect();
        let may = |action: &&'static str| {
            let holds = |privilege: &&Document| {
                let actions = privilege.get_array("actions");
                actions.into_iter().flatten().any(|one| {
                    let one = one.as_str().unwrap_or_default();
                    one == *action || one == "anyAction"
                })
            };
            ours.iter().any(holds)
        };
        Ok(ACTIONS.into_iter().filter(|action| !may(action)).collect())
    }

    fn is_about_codes(&self, privilege: &Document) -> bool {
        let Ok(resource) = privilege.get_document("resource") else {
            return false;
        };
        let is = |name: &str, wanted: &str| {
            let found = resource.get_str(name);
            found.is_ok_and(|found| found.is_empty() || found == wanted)
        };
        resource.get_bool("anyResource").unwrap_or(false)
            || is("db", self.database.name()) && is("collection", self.codes.name())
    }

    fn denied(&self, cause: &mongodb::error::Error) -> String {
        let database = self.database.name();
        let user = self.options.credential.as_ref();
        let Some(user) = user.map(|user| user.username.as_deref().unwrap_or("without a name"))
        else {
            return "it asks for a user, and mongo.url names none: put user and password before the host, as in \
                    mongodb://user:password@host"
                .to_owned();
        };
        if code_of(cause) == Some(UNAUTHORIZED) {
            return format!(
                "the user {user:?} may not do this: give it the role readWrite on the database {database:?} ({})",
                short(&cause.to_string())
            );
        }
        format!(
            "it refuses the user {user:?}: check user, password and authSource (the database that knows the user) in mongo.url"
        )
    }

    /// What is wrong with the login. After the first failure the driver only reports that no server is available.
    async fn login(&self) -> Option<String> {
        let mut options = self.options.clone();
        options.sdam_event_handler = None;
        let client = Client::with_options(options).ok()?;
        let codes = client
            .database(self.database.name())
            .collection::<Document>(self.codes.name());
        let asked = timeout(PROBE_WITHIN, codes.find_one(doc! { "_id": null })).await;
        client.shutdown().immediate(true).await;
        match StoreError::from(asked.ok()?.err()?) {
            StoreError::Denied(cause) => Some(self.denied(&cause)),
            _ => None,
        }
    }

    /// What the servers report about themselves, without a login.
    async fn probe(&self) -> Option<String> {
        let mut silent = None;
        for host in &self.options.hosts {
            match self.hello(host).await {
                Ok(hello) => {
                    let found = self.role(&hello).await;
                    if found.is_some() {
                        return found;
                    }
                }
                Err(error) => silent = Some(format!("{host} {error}")),
            }
        }
        silent
    }

    async fn role(&self, hello: &Document) -> Option<String> {
        let wanted = self.options.repl_set_name.as_deref();
        let Ok(name) = hello.get_str("setName") else {
            if hello.get_bool("isreplicaset").unwrap_or(false) {
                return Some(NOT_INITIATED.to_owned());
            }
            let wanted = wanted?;
            return Some(format!(
                "it is a single server without a replica set, but mongo.url says replicaSet={wanted}: start it with \
                 --replSet {wanted}, then run rs.initiate() once"
            ));
        };
        if wanted.is_some_and(|wanted| wanted != name) {
            return Some(format!(
                "its replica set is named {name:?}, but mongo.url says {:?}: write replicaSet={name}",
                wanted.unwrap_or_default()
            ));
        }
        let Ok(primary) = hello.get_str("primary") else {
            return Some(format!(
                "the replica set {name:?} has no primary: look at rs.status()"
            ));
        };
        let address = ServerAddress::parse(primary).ok()?;
        let error = self.hello(&address).await.err()?;
        Some(format!(
            "the replica set names {primary} as its primary, which {error}: rs.conf() must name hosts that the api and the \
             worker can reach"
        ))
    }

    async fn hello(&self, host: &ServerAddress) -> std::result::Result<Document, String> {
        if let ServerAddress::Tcp { host, port } = host {
            let connected = TcpStream::connect((host.as_str(), port.unwrap_or(27017)));
            match timeout(PROBE_WITHIN, connected).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(format!("cannot be reached ({error})")),
                Err(_) => return Err("cannot be reached (no answer)".to_owned()),
            }
        }
        let mut options = ClientOptions::builder()
            .hosts(vec![host.clone()])
            .direct_connection(true)
            .connect_timeout(PROBE_WITHIN)
            .server_selection_timeout(PROBE_WITHIN)
            .build();
        options.tls.clone_from(&self.options.tls);
        let asked = async {
            let client = Client::with_options(options)?;
            let hello = client
                .database("admin")
                .run_command(doc! { "hello": 1 })
                .await;
            client.shutdown().immediate(true).await;
            hello
        };
        asked.await.map_err(|error| {
            let error = short(&error.to_string());
            format!(
                "took the connection and did not answer; check whether it needs tls=true ({error})"
            )
        })
    }
}

/// The advice for a server that was started with `--replSet` and not initiated.
const NOT_INITIATED: &str = "its replica set is not initiated: run rs.initiate() in mongosh once";

fn short(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST_CAUSE).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
