//! Processes die at every failpoint, once and twice in a row, with a repeat in flight.

mod api;
mod operator;

use std::{os::unix::process::ExitStatusExt, process::ExitStatus, time::Duration};

use anyhow::{Context as _, Result};
use futures::{StreamExt, TryStreamExt, stream};
use heyi_common::{
    failpoint::Failpoint,
    order::Order,
    queue::{GROUP, Outcome, dead::Page, settle::Settler},
};
use heyi_sandbox::Knobs;
use heyi_testkit::world::{Service, eventually};
use tokio::time::timeout;

use crate::{
    confirm::paid_in_silence,
    scans::{CODES, codes},
    support::TestApp,
};

/// How long a process may take to come to its end.
const LIMIT: Duration = Duration::from_secs(60);
/// Walks at the same time: they wait more than they compute.
const AT_ONCE: usize = 5;
/// What `abort` ends a process with.
const SIGABRT: i32 = 6;

#[tokio::test(flavor = "multi_thread")]
async fn deaths_at_any_point_lose_and_double_nothing() -> Result<()> {
    let once = Failpoint::ALL.iter().map(|point| (*point, 1));
    let twice = Failpoint::ALL.iter().map(|point| (*point, 2));
    let walks = stream::iter(once.chain(twice)).map(async |(point, deaths)| {
        let context = || format!("{deaths} deaths at {}", point.name());
        walk(point, deaths).await.with_context(context)
    });
    walks.buffer_unordered(AT_ONCE).try_collect().await
}

/// How each point is reached. A new one does not compile before it has its walk.
async fn walk(point: Failpoint, deaths: u32) -> Result<()> {
    match point {
        Failpoint::OrderStored => Box::pin(api::new_order(point, deaths)).await,
        Failpoint::EnqueueBefore | Failpoint::EnqueueAfter => {
            Box::pin(api::notify(point, deaths)).await
        }
        Failpoint::ConfirmBefore | Failpoint::ConfirmAfter => {
            Box::pin(api::check_order(point, deaths)).await
        }
        Failpoint::Deleted => Box::pin(api::del(point, deaths)).await,
        Failpoint::Updated => Box::pin(api::update(point, deaths)).await,
        Failpoint::ScansFlushed => Box::pin(api::scan(point, deaths)).await,
        Failpoint::AggregationBegun | Failpoint::AggregationWritten => {
            Box::pin(aggregation(point, deaths)).await
        }
        Failpoint::HandleBefore
        | Failpoint::CodeWritten
        | Failpoint::SettleBefore
        | Failpoint::SettleAfter => Box::pin(promotion(point, deaths)).await,
        Failpoint::ConfirmTurn | Failpoint::ConfirmChecked | Failpoint::ConfirmAnswered => {
            Box::pin(confirm(point, deaths)).await
        }
        Failpoint::DueBefore | Failpoint::DueAfter => Box::pin(due(point, deaths)).await,
        Failpoint::TakeoverClaimed | Failpoint::TakeoverBuried => {
            Box::pin(takeover(point, deaths)).await
        }
        Failpoint::ReleaseGivenBack | Failpoint::ReleaseUnsigned => {
            Box::pin(release(point, deaths)).await
        }
        Failpoint::Replayed
        | Failpoint::LetterDropped
        | Failpoint::RefundClaimed
        | Failpoint::RefundGranted
        | Failpoint::RefundRecorded
        | Failpoint::RefundMarked => Box::pin(operator::letter(point, deaths)).await,
    }
}

fn die_at(app: &mut TestApp, point: Failpoint) {
    app.world.set("HEYI_FAILPOINT", point.name());
}

fn die_no_more(app: &mut TestApp) {
    app.world.set("HEYI_FAILPOINT", "");
}

#[track_caller]
fn assert_died(status: ExitStatus, point: Failpoint, log: &str) {
    assert_eq!(status.signal(), Some(SIGABRT), "{point:?}: {status}\n{log}");
}

/// Waits for the death of a process.
async fn dies(heyi: &mut Service, point: Failpoint) -> Result<()> {
    let ended = timeout(LIMIT, heyi.exited()).await;
    let Ok(status) = ended else {
        panic!("{point:?}: it does not die\n{}", heyi.log());
    };
    assert_died(status?, point, &heyi.log());
    Ok(())
}

async fn worker_dies(app: &mut TestApp, point: Failpoint) -> Result<()> {
    die_at(app, point);
    dies(&mut app.world.start_worker()?, point).await?;
    die_no_more(app);
    Ok(())
}

/// A notify, and the repeat of it.
async fn notify_twice(app: &TestApp, order: &Order) -> Result<()> {
    for _ in 0..2 {
        app.enqueue(order, app.notify(order, 1)).await?;
    }
    Ok(())
}

/// A worker that lives brings the order to its one code.
async fn ends_well(app: TestApp, order: &Order, point: Failpoint) -> Result<()> {
    let _worker = app.world.worker().await?;
    app.quiet().await?;
    app.the_code(order).await?;
    let codes = app.store.codes_of(order.openid.as_str(), None).await?;
    assert_eq!(codes.items.len(), 1, "{point:?}");
    assert_eq!(app.queue.status().await?.dead, 0, "{point:?}");
    app.close().await
}

async fn promotion(point: Failpoint, deaths: u32) -> Result<()> {
    let mut app = TestApp::new().await?;
    let order = app.order("小店").await?;
    for _ in 0..deaths {
        notify_twice(&app, &order).await?;
        worker_dies(&mut app, point).await?;
    }
    ends_well(app, &order, point).await
}

async fn aggregation(point: Failpoint, deaths: u32) -> Result<()> {
    let mut app = TestApp::new().await?;
    let codes = codes(CODES);
    for _ in 0..deaths {
        app.scan(&codes).await?;
        worker_dies(&mut app, point).await?;
    }
    let _worker = app.world.worker().await?;
    app.are_aggregated(&codes, 2 * u64::from(deaths)).await?;
    app.close().await
}

async fn confirm(point: Failpoint, deaths: u32) -> Result<()> {
    let mut app = TestApp::new().await?;
    app.world.set("HEYI_QUEUE__PARTITIONS", "7");
    let mut app = TestApp::open(app.world).await?;
    let (paid, payjs_order_id) = paid_in_silence(&app).await?;
    for _ in 0..deaths {
        let asking = app.order_elsewhere(&paid, "another").await?;
        app.confirm(&asking, &payjs_order_id).await?;
        let mut notify = app.notify_params(&paid, 1);
        notify.insert("payjs_order_id".to_owned(), payjs_order_id.clone());
        app.enqueue(&paid, app.signed(notify)).await?;
        worker_dies(&mut app, point).await?;
    }
    ends_well(app, &paid, point).await
}

async fn due(point: Failpoint, deaths: u32) -> Result<()> {
    let mut app = TestApp::new().await?;
    let order = app.order("小店").await?;
    let settler = Settler::start(app.queue.clone());
    for _ in 0..deaths {
        notify_twice(&app, &order).await?;
        for _ in 0..2 {
            let delivery = app.take("one").await?;
            let parked = Outcome::Retry {
                event: delivery.event.clone(),
                delay: Duration::ZERO,
                error: "not yet".to_owned(),
            };
            settler.settle(&delivery, parked).await;
        }
        worker_dies(&mut app, point).await?;
    }
    ends_well(app, &order, point).await
}

/// A worker without a heartbeat holds both events, after so many deliveries.
async fn are_held_by_the_dead(app: &TestApp, order: &Order, deliveries: u32) -> Result<()> {
    notify_twice(app, order).await?;
    for _ in 0..2 {
        let delivery = app.take("dead").await?;
        redis::cmd("XCLAIM")
            .arg(app.queue.keys().notify(delivery.partition))
            .arg(GROUP)
            .arg("dead")
            .arg(0)
            .arg(&delivery.id)
            .arg("IDLE")
            .arg(LIMIT.as_millis().to_string())
            .arg("RETRYCOUNT")
            .arg(deliveries)
            .arg("JUSTID")
            .exec_async(&mut app.queue.redis().shared())
            .await?;
    }
    Ok(())
}

async fn takeover(point: Failpoint, deaths: u32) -> Result<()> {
    let mut app = TestApp::new().await?;
    let order = app.order("小店").await?;
    let deliveries = if point == Failpoint::TakeoverBuried {
        3
    } else {
        1
    };
    for _ in 0..deaths {
        are_held_by_the_dead(&app, &order, deliveries).await?;
        worker_dies(&mut app, point).await?;
    }
    let worker = app.world.worker().await?;
    app.quiet().await?;
    worker.stop().await?;
    // What three workers died of is a dead letter, and as good as new once it is put back.
    let letters = app.queue.dead_letters(Page::newest(10)).await?;
    if point == Failpoint::TakeoverBuried {
        assert!(!letters.is_empty());
    }
    for letter in &letters {
        assert_eq!(letter.field("reason"), "poison", "{point:?}");
        assert!(app.queue.replay(letter).await?);
    }
    ends_well(app, &order, point).await
}

/// A worker of one handler, which PayJS does not answer, is asked to stop with another event behind it.
async fn release(point: Failpoint, deaths: u32) -> Result<()> {
    let mut app = TestApp::new().await?;
    app.world.set("HEYI_QUEUE__CONCURRENCY", "1");
    die_at(&mut app, point);
    let mut orders = Vec::new();
    for payment in 1..=deaths {
        let mut worker = app.world.worker().await?;
        // What the one before gave back must not come between the two.
        app.quiet().await?;
        let (asked, payjs_order_id) = paid_in_silence(&app).await?;
        let behind = app.order("小店").await?;
        app.world.sandbox.set_knobs(Knobs {
            answer_delay_ms: u64::MAX,
            ..Knobs::default()
        });
        app.confirm(&asked, &payjs_order_id).await?;
        app.holds(1).await?;
        app.enqueue(&behind, app.notify(&behind, payment)).await?;
        app.holds(2).await?;
        worker.terminate()?;
        eventually("a worker that was asked to stop", async || {
            Ok(worker.log().contains("stop requested"))
        })
        .await?;
        app.world.sandbox.set_knobs(Knobs::default());
        dies(&mut worker, point).await?;
        orders.extend([asked, behind]);
    }
    die_no_more(&mut app);
    app.enqueue(&orders[1], app.notify(&orders[1], 1)).await?;
    let _worker = app.world.worker().await?;
    app.quiet().await?;
    for order in &orders {
        app.the_code(order).await?;
    }
    assert_eq!(app.queue.status().await?.dead, 0, "{point:?}");
    app.close().await
}
