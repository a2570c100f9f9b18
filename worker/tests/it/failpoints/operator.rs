//! An operator's command dies between two effects.

use std::time::Duration;

use anyhow::Result;
use heyi_common::{failpoint::Failpoint, queue::dead::Page};
use heyi_sandbox::OrderStatus;

use super::{assert_died, die_at, die_no_more};
use crate::{operator::missing_order, support::TestApp};

/// The dead letter of a payment whose notify was repeated; a command on it dies, and is repeated.
pub(super) async fn letter(point: Failpoint, deaths: u32) -> Result<()> {
    let mut app = TestApp::new().await?;
    app.world.set("HEYI_QUEUE__MISSING_FOR", "1s");
    let (order, payjs_order_id) = missing_order(&app).await?;
    let mut repeat = app.notify_params(&order, 1);
    repeat.insert("payjs_order_id".to_owned(), payjs_order_id.clone());
    app.enqueue(&order, app.signed(repeat)).await?;
    let worker = app.world.worker().await?;
    app.quiet().await?;
    worker.stop().await?;
    let letters = app.queue.dead_letters(Page::newest(10)).await?;
    assert_eq!(letters.len(), 1, "one letter for each payment: {letters:?}");

    let verb = match point {
        Failpoint::Replayed => "retry",
        Failpoint::LetterDropped => "drop",
        _ => "refund",
    };
    // A command that forgets a payment asks first.
    let yes: &[&str] = if verb == "drop" { &["--yes"] } else { &[] };
    app.orders.put(&order, Duration::from_secs(600)).await?;
    die_at(&mut app, point);
    for _ in 0..deaths {
        if let [letter] = &app.queue.dead_letter(letters[0].id.parse()?).await?[..] {
            let command = ["dead", verb, &letter.id];
            let output = app.world.operate(&[&command, yes].concat()).await?;
            assert_died(
                output.status,
                point,
                &String::from_utf8_lossy(&output.stderr),
            );
        }
    }
    die_no_more(&mut app);
    for letter in app.queue.dead_letters(Page::newest(10)).await? {
        let command = ["dead", verb, &letter.id];
        let output = app.world.operate(&[&command, yes].concat()).await?;
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{point:?}: {error}");
    }
    assert_eq!(app.queue.status().await?.dead, 0, "{point:?}");
    match verb {
        "retry" => return super::ends_well(app, &order, point).await,
        "refund" => {
            let mark = app.queue.failure(&order.out_trade_no).await?;
            assert_eq!(mark.as_deref(), Some("refunded"), "{point:?}");
            let ledger = app.world.sandbox.ledger();
            let is_it = |paid: &&heyi_sandbox::Order| paid.payjs_order_id == payjs_order_id;
            let paid = ledger.orders.iter().find(is_it).unwrap();
            assert_eq!(paid.status, OrderStatus::Refunded, "{point:?}");
            // Its order is in Redis again, and PayJS repeats its notify.
            let mut repeat = app.notify_params(&order, 1);
            repeat.insert("payjs_order_id".to_owned(), payjs_order_id.clone());
            app.enqueue(&order, app.signed(repeat)).await?;
            let _worker = app.world.worker().await?;
            app.quiet().await?;
            assert_eq!(app.store.code(order.code_id).await?, None, "{point:?}");
            assert_eq!(app.queue.status().await?.dead, 0, "{point:?}");
        }
        _ => {}
    }
    app.close().await
}
