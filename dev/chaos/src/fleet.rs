//! The processes of a run and the connections between them.

use std::{collections::BTreeMap, process::ExitStatus, time::Duration};

use anyhow::{Context as _, Result, bail};
use futures::future::try_join_all;
use heyi_testkit::{
    servers::{Server, process::free_port},
    tcp_proxy::{Damage, TcpProxy},
    world::{Service, World},
};
use jiff::Timestamp;
use tokio::{
    sync::{Mutex, MutexGuard},
    time::sleep,
};

use crate::{
    fault::{Node, Wire},
    store::Store,
    topology::{Stores, Topology},
};

/// PayJS's schedule, fifty times faster: 0, 0.3, 0.6, 3.6, 36 and 72 s. Its timeout stays 3 s.
const NOTIFY_FACTOR: f64 = 0.02;
/// How long a process that ended on its own stays down, as under systemd.
const RESTART_AFTER: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// All processes of a run.
pub struct Fleet {
    /// Sandbox and settings. No fault affects its own connections to the stores and the api.
    pub world: World,
    parts: BTreeMap<Node, Mutex<Part>>,
    links: BTreeMap<Wire, TcpProxy>,
    /// The load balancer of the apis. Its paths are the wires from PayJS.
    front: TcpProxy,
    front_wires: Vec<Wire>,
}

/// A unit in which at most one fault is active.
pub enum Part {
    /// Redis or MongoDB.
    Store(Store),
    /// An api or a worker.
    Service(Box<Service>),
}

/// A process that can be broken.
pub enum Process<'a> {
    /// A server of Redis or MongoDB.
    Server(&'a mut Server),
    /// An api or a worker.
    Service(&'a mut Service),
}

/// A process of Heyi that ended on its own.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Ended {
    /// Which one.
    pub node: String,
    /// When it was noticed.
    pub at: Timestamp,
    /// How it ended.
    pub status: String,
}

impl Fleet {
    /// Starts all processes and waits until they are ready.
    pub async fn start(topology: Topology) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("heyi-chaos-").tempdir()?;
        let Stores { redis, mongo } = topology.start(dir.path()).await?;
        let listening = heyi_ports(topology)?;
        let (front, front_wires) = front(topology, &listening).await?;
        let mut world =
            World::over(redis.url(), mongo.url(), front.port(), NOTIFY_FACTOR, dir).await?;
        for (name, value) in topology.settings() {
            world.set(name, *value);
        }
        // Few people make all orders, many of which are never paid.
        world.set("HEYI_ORDERS__OPEN_PER_PERSON", "0");
        let sandbox = world.sandbox.url().port().context("no port")?;
        let mut links = BTreeMap::new();
        for wire in topology.wires() {
            let server = match wire.to {
                Node::Redis(_) => redis.servers().first().map(Server::port),
                Node::Mongo => mongo.servers().first().map(Server::port),
                Node::PayJs => Some(sandbox),
                _ => None,
            };
            if let Some(port) = server {
                links.insert(wire, TcpProxy::start(&[port]).await?);
            }
        }
        let mut parts = BTreeMap::new();
        for (node, port) in listening {
            let program = format!("heyi-{}", node.kind());
            let heyi = world.start_with(&program, port, &settings(node, &world, &links))?;
            parts.insert(node, Mutex::new(Part::Service(Box::new(heyi))));
        }
        parts.insert(Node::Redis(1), Mutex::new(Part::Store(redis)));
        parts.insert(Node::Mongo, Mutex::new(Part::Store(mongo)));
        let fleet = Self {
            world,
            parts,
            links,
            front,
            front_wires,
        };
        fleet.ready().await?;
        Ok(fleet)
    }

    /// Waits until every process of Heyi is ready.
    pub async fn ready(&self) -> Result<()> {
        for part in self.parts.values() {
            if let Part::Service(heyi) = &mut *part.lock().await {
                heyi.answers("readyz").await?;
            }
        }
        Ok(())
    }

    /// Locks the part of a process.
    pub async fn part(&self, node: Node) -> Result<MutexGuard<'_, Part>> {
        let part = self.parts.get(&node.whole()).context("no such process")?;
        Ok(part.lock().await)
    }

    /// Waits until all servers of every store have their role and data.
    pub async fn settled(&self) -> Result<()> {
        for part in self.parts.values() {
            part.lock().await.settled().await?;
        }
        Ok(())
    }

    /// Locks all parts, always in the same order, so that two callers cannot deadlock.
    pub async fn all_parts(&self) -> Vec<MutexGuard<'_, Part>> {
        let mut all = Vec::new();
        for part in self.parts.values() {
            all.push(part.lock().await);
        }
        all
    }

    /// Sets or clears the damage of a wire.
    pub fn damage(&self, wire: Wire, damage: Option<Damage>) {
        if let Some(link) = self.links.get(&wire) {
            link.damage(0, damage);
        } else if let Some(leg) = self.front_wires.iter().position(|known| *known == wire) {
            self.front.damage(leg, damage);
        }
    }

    /// Restarts processes that ended on their own, as systemd does, and records them. Runs while it is polled.
    pub async fn supervise(&self, ended: &Mutex<Vec<Ended>>) -> Result<()> {
        loop {
            sleep(LOOK_EVERY).await;
            for (node, part) in &self.parts {
                // A fault locks the part that it breaks.
                let Ok(mut part) = part.try_lock() else {
                    continue;
                };
                for mut process in part.processes() {
                    let Some(status) = process.has_ended()? else {
                        continue;
                    };
                    ended.lock().await.push(Ended {
                        node: node.to_string(),
                        at: Timestamp::now(),
                        status: status.to_string(),
                    });
                    sleep(RESTART_AFTER).await;
                    process.start().await?;
                }
            }
        }
    }

    /// Stops all processes, the stores last.
    pub async fn stop(self) -> Result<()> {
        self.world.sandbox.stop().await;
        let stopped = self
            .parts
            .into_values()
            .map(async |part| part.into_inner().end().await);
        try_join_all(stopped).await?;
        Ok(())
    }
}

impl Part {
    /// All its processes.
    pub fn processes(&mut self) -> Vec<Process<'_>> {
        match self {
            Part::Store(store) => {
                let servers = store.servers_mut().into_iter();
                servers.map(Process::Server).collect()
            }
            Part::Service(heyi) => vec![Process::Service(heyi)],
        }
    }

    /// The index of the process that is this node now.
    pub async fn find(&self, node: Node) -> Result<usize> {
        match self {
            Part::Store(store) => store.find(node).await,
            Part::Service(_) => Ok(0),
        }
    }

    /// The servers that hold data.
    pub fn servers(&self) -> &[Server] {
        match self {
            Part::Store(store) => store.servers(),
            Part::Service(_) => &[],
        }
    }

    /// Waits until all its servers have their role and data.
    pub async fn settled(&self) -> Result<()> {
        match self {
            Part::Store(store) => store.settled().await,
            Part::Service(_) => Ok(()),
        }
    }

    /// Fails over from this master.
    pub async fn hand_over(&self, node: Node) -> Result<()> {
        match self {
            Part::Store(store) => store.hand_over(node).await,
            Part::Service(_) => bail!("nobody takes over from {node}"),
        }
    }

    async fn end(mut self) -> Result<()> {
        let mut processes = self.processes();
        try_join_all(processes.iter_mut().map(Process::end)).await?;
        Ok(())
    }
}

impl Process<'_> {
    /// Kills it (SIGKILL).
    pub async fn kill(&mut self) -> Result<()> {
        match self {
            Process::Server(server) => server.kill().await,
            Process::Service(heyi) => heyi.kill().await,
        }
    }

    /// Stops it (SIGTERM).
    pub async fn end(&mut self) -> Result<()> {
        match self {
            Process::Server(server) => server.stop().await,
            Process::Service(heyi) => heyi.end().await.map(drop),
        }
    }

    /// Starts it again, and waits until it is ready if it is a store.
    pub async fn start(&mut self) -> Result<()> {
        match self {
            Process::Server(server) => server.restart().await,
            Process::Service(heyi) => heyi.restart(),
        }
    }

    /// Freezes it (SIGSTOP).
    pub fn pause(&self) -> Result<()> {
        match self {
            Process::Server(server) => server.pause(),
            Process::Service(heyi) => heyi.pause(),
        }
    }

    /// Resumes it (SIGCONT).
    pub fn resume(&self) -> Result<()> {
        match self {
            Process::Server(server) => server.resume(),
            Process::Service(heyi) => heyi.resume(),
        }
    }

    fn has_ended(&mut self) -> Result<Option<ExitStatus>> {
        match self {
            Process::Server(server) => server.has_ended(),
            Process::Service(heyi) => heyi.has_ended(),
        }
    }
}

fn heyi_ports(topology: Topology) -> Result<Vec<(Node, u16)>> {
    let is_heyi = |node: &Node| matches!(node, Node::Api(_) | Node::Worker(_));
    let nodes = topology.nodes().into_iter().filter(is_heyi);
    nodes.map(|node| Ok((node, free_port()?))).collect()
}

async fn front(topology: Topology, ports: &[(Node, u16)]) -> Result<(TcpProxy, Vec<Wire>)> {
    let (mut wires, mut servers) = (Vec::new(), Vec::new());
    for wire in topology.wires() {
        if let Some((_, port)) = ports.iter().find(|(node, _)| *node == wire.to) {
            wires.push(wire);
            servers.push(*port);
        }
    }
    Ok((TcpProxy::start(&servers).await?, wires))
}

/// The URLs of the stores and PayJS for this process: its own proxies.
fn settings(
    node: Node,
    world: &World,
    links: &BTreeMap<Wire, TcpProxy>,
) -> Vec<(&'static str, String)> {
    let port = |to| links.get(&Wire::new(node, to)).map(TcpProxy::port);
    let mut settings = Vec::new();
    if let Some(port) = port(Node::Redis(1)) {
        settings.push(("HEYI_REDIS__URL", format!("redis://127.0.0.1:{port}/")));
    }
    if let Some(port) = port(Node::Mongo) {
        // Otherwise the driver would learn the member's own address and bypass the proxy.
        let url = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
        settings.push(("HEYI_MONGO__URL", url));
    }
    if let Some(port) = port(Node::PayJs) {
        let mut url = world.sandbox.payjs_url();
        if url.set_port(Some(port)).is_ok() {
            settings.push(("HEYI_PAYJS__API_BASE", url.to_string()));
        }
    }
    settings
}
