//! Failovers of replicated stores while people order and pay.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use heyi_common::queue::dead::Page;
use heyi_testkit::{
    servers::{PASSWORD, SECRET, Server},
    topology::{MongoSet, RedisCluster, RedisPair},
    world::{Answer, Client, Service, World, eventually, params},
};
use mongodb::bson::{Document, doc};
use tokio::time::Instant;

/// People who order and pay one code after the other while a server fails.
const BUYERS: usize = 6;
/// How many of their journeys must have begun after the failover when they stop.
const JOURNEYS_AFTER: usize = 12;
/// Nobody may wait longer than this for an answer that counts; elections take a few seconds.
const LONGEST_WAIT: Duration = Duration::from_secs(25);

/// The settings of processes on a cluster.
const CLUSTERED: [(&str, &str); 2] = [
    ("HEYI_REDIS__WAIT_REPLICAS", "1"),
    ("HEYI_QUEUE__PARTITIONS", "16"),
];

/// What became of one journey.
struct Journey {
    out_trade_no: String,
    code_id: String,
    began: Instant,
    /// The longest that one step took, repeats included.
    longest: Duration,
}

/// An api and two workers on stores that fail over.
struct Town {
    world: World,
    client: Client,
    api: Service,
    workers: [Service; 2],
    done: Vec<Journey>,
}

impl Town {
    async fn build(
        redis_url: String,
        mongo_url: String,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let mut world = World::on(redis_url, mongo_url).await?;
        for (name, value) in settings {
            world.set(name, *value);
        }
        Self::in_world(world).await
    }

    async fn build_on_one() -> Result<Self> {
        Self::in_world(World::with_own_stores().await?).await
    }

    async fn in_world(world: World) -> Result<Self> {
        Ok(Self {
            client: world.client()?,
            api: world.api().await?,
            workers: [world.worker().await?, world.worker().await?],
            done: Vec::new(),
            world,
        })
    }

    /// Lets people order and pay before, while and after `fail`, and finds that none of it was lost or doubled.
    async fn survives(&mut self, fail: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
        let mut done = vec![journey(&self.client, "before").await?];
        done.extend(self.journeys_around(fail).await?);
        done.push(journey(&self.client, "after").await?);
        let longest = done.iter().map(|journey| journey.longest).max();
        let longest = longest.unwrap_or_default();
        assert!(longest < LONGEST_WAIT, "somebody waited {longest:?}");
        self.done.append(&mut done);
        self.has_kept(&self.done).await
    }

    async fn journeys_around(
        &self,
        fail: impl AsyncFnOnce() -> Result<()>,
    ) -> Result<Vec<Journey>> {
        let (enough, done) = (Cell::new(false), RefCell::new(Vec::new()));
        let buyers = (0..BUYERS).map(async |number| {
            while !enough.get() {
                let journey = journey(&self.client, &format!("buyer{number}")).await?;
                done.borrow_mut().push(journey);
            }
            anyhow::Ok(())
        });
        let conductor = async {
            eventually("journeys under way", async || {
                Ok(done.borrow().len() >= BUYERS)
            })
            .await?;
            fail().await?;
            let failed_over = Instant::now();
            eventually("journeys after the failover", async || {
                let done = done.borrow();
                let after = done.iter().filter(|journey| journey.began > failed_over);
                Ok(after.count() >= JOURNEYS_AFTER)
            })
            .await?;
            enough.set(true);
            Ok(())
        };
        tokio::try_join!(try_join_all(buyers), conductor)?;
        Ok(done.into_inner())
    }

    /// The servers of Redis that `heyi-worker doctor` sees, by their role.
    async fn doctor_sees(&self, role: &str) -> Result<usize> {
        let seen = self.world.operate(&["doctor"]).await?;
        let seen = String::from_utf8(seen.stdout)?;
        assert!(seen.contains("appendfsync always, noeviction"), "{seen}");
        Ok(seen.lines().filter(|line| line.contains(role)).count())
    }

    async fn is_quiet(&self) -> Result<()> {
        let queue = self.world.queue()?;
        eventually("a quiet queue", async || {
            let status = queue.status().await?;
            Ok(status.waiting == 0 && status.retries == 0 && status.confirms == 0)
        })
        .await
    }

    /// Every journey left one code and one mapping, nothing else did, and the queue is empty.
    async fn has_kept(&self, done: &[Journey]) -> Result<()> {
        let queue = self.world.queue()?;
        self.is_quiet().await?;
        let status = queue.status().await?;
        assert_eq!(
            (status.dead, status.rejected),
            (0, 0),
            "{:?}",
            queue.dead_letters(Page::newest(9)).await?
        );
        let mongo = mongodb::Client::with_uri_str(self.world.setting("HEYI_MONGO__URL")).await?;
        let database = mongo.database(self.world.setting("HEYI_MONGO__DATABASE"));
        for name in ["codes", "mappings"] {
            let count = database
                .collection::<Document>(name)
                .count_documents(doc! {})
                .await?;
            assert_eq!(count, done.len() as u64, "{name}");
        }
        let scans = database.collection::<Document>("scans");
        eventually("every code's scan", async || {
            Ok(scans.count_documents(doc! {}).await? == done.len() as u64)
        })
        .await?;
        let twice = scans
            .find_one(doc! { "platforms.other": { "$ne": 1 } })
            .await?;
        assert_eq!(twice, None, "each was scanned once");
        let (store, orders) = (self.world.store().await?, self.world.orders()?);
        for journey in done {
            let number = journey.out_trade_no.parse()?;
            let mapping = store.mapping(&number).await?.context("no mapping")?;
            assert_eq!(mapping.code_id.to_hex(), journey.code_id);
            let code = store.code(mapping.code_id).await?.context("no code")?;
            assert!(
                code.state.deleted_at.is_some(),
                "an acknowledged deletion is lost"
            );
            assert_eq!(code.out_trade_no, number);
            assert!(
                orders.get(&number).await?.is_none(),
                "the order is still cached"
            );
        }
        Ok(())
    }

    async fn close(self) -> Result<()> {
        for heyi in [self.api].into_iter().chain(self.workers) {
            let log = heyi.log();
            assert!(!log.contains("panicked"), "{log}");
            assert!(!log.contains("sandbox-p"), "the password of Redis: {log}");
            assert!(heyi.stop().await?.success());
        }
        self.world.finish().await
    }
}

/// Sends a request until it succeeds, as a mini-program would. Any other answer than those of an outage is an error.
async fn persist(what: &str, mut request: impl AsyncFnMut() -> Result<Answer>) -> Result<Answer> {
    let mut last = None;
    eventually(what, async || {
        let answer = request().await?;
        let status = answer.status.as_u16();
        assert!(
            matches!(status, 200 | 408 | 500 | 503),
            "{what}: {status} {}",
            answer.body
        );
        last = Some(answer);
        Ok(status == 200)
    })
    .await?;
    last.context("no answer")
}

/// From a login to a deleted code, each step repeated until it succeeds.
async fn journey(client: &Client, name: &str) -> Result<Journey> {
    let began = Instant::now();
    let (mut longest, mut step) = (Duration::ZERO, Instant::now());
    let mut stepped = || {
        longest = longest.max(step.elapsed());
        step = Instant::now();
        longest
    };
    let mut person = None;
    eventually("a login", async || {
        person = client.login(name).await.ok();
        Ok(person.is_some())
    })
    .await?;
    let person = person.context("nobody")?;
    stepped();
    let mut paid = None;
    eventually("a paid order", async || {
        paid = client.pay(&person, name, 990).await.ok();
        Ok(paid.is_some())
    })
    .await?;
    let (out_trade_no, payment) = paid.context("no order")?;
    stepped();
    let asked = params(&[
        ("out_trade_no", &out_trade_no),
        ("payjs_order_id", &payment),
    ]);
    let checked = persist("/checkOrder", async || {
        client.get("/checkOrder", &asked).await
    })
    .await?;
    let code_id = checked.text("order_id");
    stepped();
    let id = params(&[("id", &code_id)]);
    persist("/qr", async || client.get("/qr", &id).await).await?;
    let listed = persist("/reflash", async || client.list(&person).await).await?;
    assert!(listed.body.contains(&code_id), "{}", listed.body);
    persist("/del", async || client.delete(&person, &code_id).await).await?;
    Ok(Journey {
        out_trade_no,
        code_id,
        began,
        longest: stepped(),
    })
}

#[tokio::test]
async fn sentinels_promote_the_replica_of_a_killed_redis() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mongo = Server::mongo(&dir.path().join("mongo"), None).await?;
    let mut redis = RedisPair::start(dir.path()).await?;
    let settings = [("HEYI_REDIS__WAIT_REPLICAS", "1")];
    let mut town = Town::build(redis.url(), mongo.url(), &settings).await?;
    assert_eq!(town.doctor_sees("is a master with replicas: 1").await?, 1);
    assert_eq!(town.doctor_sees("is a replica").await?, 1);
    town.survives(async || {
        let master = redis.master().await?;
        redis.servers[master].kill().await?;
        redis.has_moved_from(master).await?;
        // Comes back as a master, which it must not be for anybody. Until it follows, nothing is taken.
        redis.servers[master].restart().await?;
        redis.settled().await
    })
    .await?;
    town.survives(async || redis.hand_over().await).await?;
    town.close().await
}

#[tokio::test]
async fn a_cluster_promotes_the_replica_of_a_killed_master() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mongo = Server::mongo(&dir.path().join("mongo"), None).await?;
    let mut redis = RedisCluster::start(dir.path()).await?;
    let mut town = Town::build(redis.url(), mongo.url(), &CLUSTERED).await?;
    assert_eq!(town.doctor_sees("is a master with replicas: 1").await?, 3);
    assert_eq!(town.doctor_sees("is a replica").await?, 3);
    town.survives(async || {
        redis.servers[0].kill().await?;
        redis.has_moved_from(0).await?;
        redis.servers[0].restart().await?;
        redis.settled().await
    })
    .await?;
    // One that hangs keeps its connections, and still holds itself for the master when it goes on.
    town.survives(async || {
        redis.servers[1].pause()?;
        redis.has_moved_from(1).await?;
        redis.servers[1].resume()?;
        redis.settled().await
    })
    .await?;
    town.survives(async || redis.hand_over(2).await).await?;
    town.close().await
}

#[tokio::test]
async fn a_pair_of_a_cluster_that_stays_away_stops_its_own_partitions_only() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mongo = Server::mongo(&dir.path().join("mongo"), None).await?;
    let mut redis = RedisCluster::start(dir.path()).await?;
    let mut town = Town::build(redis.url(), mongo.url(), &CLUSTERED).await?;
    let (dead, partner) = (0, redis.partner(0));
    redis.servers[partner].kill().await?;
    redis.servers[dead].kill().await?;
    town.workers[0].kill().await?;

    // Everybody either finds the master of their partition away, or pays and gets a code.
    let (mut refused, mut served) = (0, 0);
    for number in 0..24 {
        let person = town.client.login(&format!("person{number}")).await?;
        let order = town.client.order_over("miniapp", &person, "小店").await?;
        if order.status == 503 {
            refused += 1;
            continue;
        }
        let paid = town.client.pay(&person, "小店", 990).await?;
        town.client.code_of(&paid.0).await?;
        served += 1;
    }
    assert!(refused > 0 && served > 0, "{refused} {served}");

    // There the other worker has buried the dead one: only its own heartbeat is left.
    let queue = town.world.queue()?;
    let mut living = 0;
    for partition in queue.keys().partitions() {
        let beating = async || -> redis::RedisResult<usize> {
            let beats = redis::Cmd::hlen(queue.keys().heartbeats(partition));
            beats.query_async(&mut queue.redis().shared()).await
        };
        if beating().await.is_err() {
            continue;
        }
        living += 1;
        eventually("one heartbeat", async || Ok(beating().await? == 1)).await?;
    }
    assert!((1..16).contains(&living), "{living}");

    redis.servers[dead].restart().await?;
    redis.servers[partner].restart().await?;
    redis.settled().await?;
    for number in 0..24 {
        journey(&town.client, &format!("later{number}")).await?;
    }
    town.workers[0].restart()?;
    town.workers[0].answers("readyz").await?;
    town.is_quiet().await?;
    town.close().await
}

#[tokio::test]
async fn a_replica_set_elects_another_primary() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let redis = Server::redis(&dir.path().join("redis"), None).await?;
    let mut mongo = MongoSet::start(dir.path()).await?;
    let mut town = Town::build(redis.url(), mongo.url(), &[]).await?;
    town.survives(async || {
        let primary = mongo.primary().await.context("no primary")?;
        mongo.servers[primary].kill().await?;
        mongo.has_moved_from(primary).await?;
        mongo.servers[primary].restart().await?;
        mongo.settled().await
    })
    .await?;
    town.survives(async || mongo.hand_over().await).await?;
    town.close().await
}

#[tokio::test]
async fn a_redis_that_asks_for_a_password_is_given_it_and_nobody_else_is() -> Result<()> {
    let mut world = World::with_own_stores().await?;
    let open = world.setting("HEYI_REDIS__URL").to_owned();
    let mut redis = redis::Client::open(open.as_str())?
        .get_multiplexed_async_connection()
        .await?;
    redis::cmd("CONFIG")
        .arg(&["SET", "requirepass", PASSWORD])
        .exec_async(&mut redis)
        .await?;
    let url = open.replace("redis://", &format!("redis://{SECRET}"));
    world.set("HEYI_REDIS__URL", url);
    let town = Town::in_world(world).await?;
    let done = [journey(&town.client, "alice").await?];
    town.has_kept(&done).await?;
    town.close().await
}

#[tokio::test]
async fn an_order_of_the_old_redis_is_paid_after_the_move_to_a_cluster() -> Result<()> {
    let old = Town::build_on_one().await?;
    let alice = old.client.login("alice").await?;
    let order = old.client.order(&alice, "小店", 990).await?;

    let dir = tempfile::tempdir()?;
    let redis = RedisCluster::start(dir.path()).await?;
    let mongo_url = old.world.setting("HEYI_MONGO__URL").to_owned();
    let database = (
        "HEYI_MONGO__DATABASE",
        old.world.setting("HEYI_MONGO__DATABASE"),
    );
    let settings: Vec<_> = CLUSTERED.into_iter().chain([database]).collect();
    let mut world = World::on(redis.url(), mongo_url).await?;
    for (name, value) in settings {
        world.set(name, value);
    }
    // One database with two queues is what an operator has to ask for.
    let accepted = world.operate(&["installation", "accept", "--yes"]).await?;
    assert!(accepted.status.success(), "{accepted:?}");
    let new = Town::in_world(world).await?;

    // Its notify finds the way back; the new api answers for it.
    let payment = old.world.sandbox.order(&order)?;
    old.world.sandbox.pay(&payment)?;
    let id = new.client.code_of(&order["out_trade_no"]).await?;
    let (number, _) = new.client.pay(&alice, "小店", 990).await?;
    new.client.code_of(&number).await?;
    let listed = new.client.list(&alice).await?;
    assert!(listed.body.contains(&id), "{}", listed.body);
    new.close().await?;
    old.close().await
}
