//! What honest callers see, and what the api costs, while strangers do their worst.

pub(crate) mod attack;
mod honest;

use std::{convert::Infallible, env, fs, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use heyi_common::config::Process;
use heyi_testkit::{
    servers::process::tethered,
    world::{Service, World},
};
use tokio::{process::Child, time::sleep};

use self::{
    attack::{Plan, Report},
    honest::Seen,
};
use crate::{
    memory,
    report::{Row, Target},
    series::{Series, quantile_of},
};

/// PayJS's patience with a notify, in ms.
const PATIENCE_MS: f64 = 3000.0;
const SLOW: u32 = 2000;
const FORGED: u32 = 10_000;
/// Honest requests of one phase: 20 a second for half a minute.
const REQUESTS: u32 = 600;
const EVERY: Duration = Duration::from_millis(50);
/// From the start of an attack to the first honest request, and after the last one.
const MARGIN: Duration = Duration::from_secs(5);
/// How long an attack lasts, in seconds: margins and all honest requests.
const ATTACK: u64 = 40;
/// How long the api is left alone before its memory is read again.
const AFTER: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(200);
const MIB: f64 = 1024.0 * 1024.0;
/// The most memory the api may take, in MiB. An idle one takes less than 40.
const MEMORY: f64 = 256.0;

/// Measures.
pub(crate) async fn measure() -> Result<Vec<Row>> {
    let world = World::with_own_stores().await?;
    let api = world.api().await?;
    let nobody = Plan {
        port: world.config(Process::Api)?.http.listen.port(),
        seconds: ATTACK,
        mchid: world.config(Process::Api)?.payjs.mchid,
        ..Plan::default()
    };
    let heads = Plan {
        heads: SLOW,
        ..nobody.clone()
    };
    let bodies = Plan {
        bodies: SLOW,
        ..nobody.clone()
    };
    let forged = Plan {
        forged: FORGED,
        ..nobody.clone()
    };
    let all = Plan {
        heads: SLOW / 2,
        bodies: SLOW / 2,
        ..forged.clone()
    };
    let phases = [
        ("quiet", nobody),
        ("slow heads", heads),
        ("slow bodies", bodies),
        ("forged notifies", forged),
        ("forged notifies and slow heads and bodies", all),
    ];
    let mut rows = Vec::new();
    for (number, (name, plan)) in (0..).zip(phases) {
        println!("hostile: {name}");
        rows.extend(phase(&world, &api, name, &plan, number * REQUESTS).await?);
    }
    rows.push(mib(
        "most memory of the api in all",
        memory::peak_mib(&api)?,
    ));
    sleep(AFTER).await;
    let after = memory::resident_mib(&api)?;
    rows.push(mib("memory of the api half a minute later", after).target(Target::Below(MEMORY)));
    Ok(rows)
}

async fn phase(
    world: &World,
    api: &Service,
    name: &str,
    plan: &Plan,
    first: u32,
) -> Result<Vec<Row>> {
    let config = world.config(Process::Api)?;
    let logged = log_mib(world)?;
    let attack = start(plan)?;
    sleep(MARGIN).await;
    let mut most: f64 = 0.0;
    let seen = tokio::select! {
        seen = honest::ask(config.http.listen, &config, first, REQUESTS, EVERY) => seen?,
        Err(error) = watch(api, &mut most) => return Err(error),
    };
    let report = end(attack).await?;
    println!("hostile: {report:?}, failures: {:?}", seen.failures);
    let mut rows = honest_rows(name, &seen)?;
    rows.push(mib(format!("{name}: memory of the api"), most).target(Target::Below(MEMORY)));
    rows.push(mib(
        format!("{name}: logged by the api"),
        log_mib(world)? - logged,
    ));
    rows.extend(attack_rows(name, plan, &report));
    Ok(rows)
}

async fn watch(api: &Service, most: &mut f64) -> Result<Infallible> {
    loop {
        *most = most.max(memory::resident_mib(api)?);
        sleep(LOOK_EVERY).await;
    }
}

fn honest_rows(name: &str, seen: &Seen) -> Result<Vec<Row>> {
    let latency = |route: &str, times: &[f64], share: f64, quantile: &str| {
        let what = format!("{name}: honest {route}, {quantile}");
        Row::new(what, "ms", Series::new(vec![quantile_of(times, share)]))
    };
    let failed = f64::from(u32::try_from(seen.failures.len())?);
    Ok(vec![
        latency("/notify", &seen.notifies, 0.5, "median"),
        latency("/notify", &seen.notifies, 0.99, "p99").target(Target::Below(PATIENCE_MS)),
        latency("/newOrder", &seen.orders, 0.99, "p99").target(Target::Below(PATIENCE_MS)),
        Row::new(
            format!("{name}: honest requests that failed, of {REQUESTS}"),
            "requests",
            Series::new(vec![failed]),
        )
        .target(Target::Below(1.0)),
    ])
}

fn attack_rows(name: &str, plan: &Plan, report: &Report) -> Vec<Row> {
    let row = |what: &str, unit, value| {
        Row::new(format!("{name}: {what}"), unit, Series::new(vec![value]))
    };
    let mut rows = Vec::new();
    if plan.forged > 0 {
        rows.push(row("forgeries sent", "requests/s", report.sent_rate));
        rows.push(row("forgeries refused", "requests/s", report.refused_rate));
    }
    if plan.heads + plan.bodies > 0 {
        rows.push(row("slow connections open", "connections", report.slow));
    }
    rows
}

fn mib(what: impl Into<String>, value: f64) -> Row {
    Row::new(what, "MiB", Series::new(vec![value]))
}

/// What all processes of the world have logged so far.
fn log_mib(world: &World) -> Result<f64> {
    let mut bytes = 0;
    for entry in fs::read_dir(world.dir())? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|end| end == "log") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(f64::from(u32::try_from(bytes)?) / MIB)
}

fn start(plan: &Plan) -> Result<Child> {
    let arguments = [
        "attack".to_owned(),
        plan.port.to_string(),
        plan.seconds.to_string(),
        plan.mchid.clone(),
        format!("--heads={}", plan.heads),
        format!("--bodies={}", plan.bodies),
        format!("--forged={}", plan.forged),
    ];
    tethered(&env::current_exe()?)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the strangers")
}

async fn end(attack: Child) -> Result<Report> {
    let output = attack.wait_with_output().await?;
    ensure!(
        output.status.success(),
        "the strangers ended with {}",
        output.status
    );
    serde_json::from_slice(&output.stdout).context("the strangers say nothing")
}
