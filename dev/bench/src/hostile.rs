//! Attacks: the latency of honest requests, and the usage of the api.

pub(crate) mod attack;

use std::{convert::Infallible, time::Duration};

use anyhow::{Context as _, Result};
use heyi_testkit::world::Service;
use tokio::time::{sleep, timeout};

use self::attack::Plan;
use crate::{
    frame::{MIB, Scenario, Setup, peak_mib, quantile, resident_mib},
    load::{self, Client, requests, succeeded},
};

/// PayJS's timeout for the answer to a notify, in ms.
const PAYJS_LIMIT_MS: f64 = 3000.0;
const SLOW: u32 = 2000;
const FORGED: u32 = 10_000;
const HALF: u32 = SLOW / 2;
/// The attacks: slow heads, slow bodies, forged notifies a second.
const PHASES: [(&str, [u32; 3]); 5] = [
    ("quiet", [0; 3]),
    ("slow heads", [SLOW, 0, 0]),
    ("slow bodies", [0, SLOW, 0]),
    ("forged notifies", [0, 0, FORGED]),
    (
        "forged notifies and slow heads and bodies",
        [HALF, HALF, FORGED],
    ),
];
/// Honest requests of one phase: half a minute.
const REQUESTS: u32 = 600;
/// Honest requests a second.
const RATE: f64 = 20.0;
/// One honest request in this many is a `/newOrder`. The others are notifies.
const ORDER_EVERY: u32 = 10;
/// The timeout of an honest request.
const LIMIT: Duration = Duration::from_secs(10);
/// The time before the first honest request of an attack, and after the last one.
const MARGIN: Duration = Duration::from_secs(5);
/// How long the api is idle before its memory is measured again.
const AFTER: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The memory limit of the api, in MiB. An idle one needs less than 40.
const MEMORY_MIB: f64 = 256.0;

/// Measures.
pub(crate) async fn measure(scenario: &mut Scenario) -> Result<()> {
    let setup = Setup::start().await?;
    let api = setup.world.api().await?;
    let mut first = 0;
    for (name, attack) in PHASES {
        phase(scenario, &setup, &api, name, attack, first).await?;
        first += REQUESTS;
    }
    scenario.add("most memory of the api in all", "MiB", peak_mib(&api)?);
    sleep(scenario.pause(AFTER)).await;
    let what = "memory of the api half a minute later";
    scenario
        .add(what, "MiB", resident_mib(&api)?)
        .below(MEMORY_MIB);
    Ok(())
}

async fn phase(
    scenario: &mut Scenario,
    setup: &Setup,
    api: &Service,
    name: &str,
    attack: [u32; 3],
    first: u32,
) -> Result<()> {
    scenario.say(name);
    let [heads, bodies, forged] = attack.map(|count| scenario.count(count));
    let (count, margin) = (scenario.count(REQUESTS), scenario.pause(MARGIN));
    let attack = attack::start(Plan {
        server: setup.api(),
        length: margin * 2 + Duration::from_secs_f64(f64::from(count) / RATE),
        mchid: setup.config.payjs.mchid.clone(),
        heads,
        bodies,
        forged,
    });
    let logged = api.log().len();
    let mut most: f64 = 0.0;
    let honest = async {
        sleep(margin).await;
        tokio::select! {
            times = honest(setup, first, count) => times,
            Err(error) = watch(api, &mut most) => Err(error),
        }
    };
    let ([sent, refused, slow], [orders, notifies, failed]) = tokio::try_join!(attack, honest)?;
    let logged = f64::from(u32::try_from(api.log().len() - logged)?) / MIB;
    let failures = f64::from(u32::try_from(failed.len())?);
    let mut add = |what: &str, unit, value, limit: Option<f64>| {
        let row = scenario.add(&format!("{name}: {what}"), unit, value);
        if let Some(limit) = limit {
            row.below(limit);
        }
    };
    let p99 = |times: &[f64]| quantile(times, 99);
    let (patience, most_memory) = (Some(PAYJS_LIMIT_MS), Some(MEMORY_MIB));
    let (median, failed) = (
        "honest /notify, median",
        "honest requests that failed, of 600",
    );
    add(median, "ms", quantile(&notifies, 50), None);
    add("honest /notify, p99", "ms", p99(&notifies), patience);
    add("honest /newOrder, p99", "ms", p99(&orders), patience);
    add(failed, "requests", failures, Some(1.0));
    add("memory of the api", "MiB", most, most_memory);
    add("logged by the api", "MiB", logged, None);
    if forged > 0 {
        add("forgeries sent", "requests/s", sent, None);
        add("forgeries refused", "requests/s", refused, None);
    }
    if heads + bodies > 0 {
        add("slow connections open", "connections", slow, None);
    }
    Ok(())
}

async fn watch(api: &Service, most: &mut f64) -> Result<Infallible> {
    loop {
        *most = most.max(resident_mib(api)?);
        sleep(LOOK_EVERY).await;
    }
}

/// Sends honest requests, each on its own connection. Returns the times in ms of orders, notifies and failed requests.
async fn honest(setup: &Setup, first: u32, count: u32) -> Result<[Vec<f64>; 3]> {
    let mut all = Vec::new();
    for number in 0..count {
        all.push(match number % ORDER_EVERY {
            0 => (0, requests::new_order(setup, first + number)),
            _ => (1, requests::notify(setup, first + number)),
        });
    }
    let ask = async |request: Vec<u8>| {
        let mut client = Client::connect(setup.api()).await?;
        succeeded(client.ask(&request).await?)
    };
    let work = async |(kind, request)| {
        let asked = timeout(LIMIT, ask(request)).await.context("no answer");
        let failure = asked.flatten().err();
        Ok(failure.map_or(kind, |error| {
            println!("an honest request failed: {error:#}");
            2
        }))
    };
    let mut times = [const { Vec::new() }; 3];
    for (kind, ms) in load::at_rate(all, RATE, count as usize, work).await? {
        times[kind].push(ms);
    }
    Ok(times)
}
