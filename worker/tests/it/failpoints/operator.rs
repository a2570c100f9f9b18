//! An operator's command dies between two effects.

use std::time::Duration;

use anyhow::Result;
use heyi_common::{failpoint::Failpoint, queue::dead::Page};
use heyi_sandbox::OrderStatus;

use super::{assert_died, die_at, die_no_more};
use crate::{operator::missing_order, support::TestApp};

/// The dead letter of a payment whose notify was repeated; a command on it dies, and is repeated.
pub(super) async fn letter(point: Failpoint, deaths: u32) -> Result<()> {
    let mut shop = TestApp::new().await?;
    shop.world.set("HEYI_QUEUE__MISSING_FOR", "1s");
    let (order, payjs_order_id) = missing_order(&shop).await?;
    let mut repeat = shop.notify_params(&order, 1);
    repeat.insert("payjs_order_id".to_owned(), payjs_order_id.clone());
    shop.enqueue(&order, shop.signed(repeat)).await?;
    let worker = shop.world.worker().await?;
    shop.quiet().await?;
    worker.stop().await?;
    let letters = shop.queue.dead_letters(Page::newest(10)).await?;
    assert_eq!(letters.len(), 1, "one letter for each payment: {letters:?}");

    let verb = match point {
        Failpoint::Replayed => "retry",
        Failpoint::LetterDropped => "drop",
        _ => "refund",
    };
    // A command that forgets a payment asks first.
    let yes: &[&str] = if verb == "drop" { &["--yes"] } else { &[] };
    shop.orders.put(&order, Duration::from_secs(600)).await?;
    die_at(&mut shop, point);
    for _ in 0..deaths {
        if let [letter] = &shop.queue.dead_letter(letters[0].id.parse()?).await?[..] {
            let command = ["dead", verb, &letter.id];
            let output = shop.world.operate(&[&command, yes].concat()).await?;
            assert_died(
                output.status,
                point,
                &String::from_utf8_lossy(&output.stderr),
            );
        }
    }
    die_no_more(&mut shop);
    for letter in shop.queue.dead_letters(Page::newest(10)).await? {
        let command = ["dead", verb, &letter.id];
        let output = shop.world.operate(&[&command, yes].concat()).await?;
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{point:?}: {error}");
    }
    assert_eq!(shop.queue.status().await?.dead, 0, "{point:?}");
    match verb {
        "retry" => return super::ends_well(shop, &order, point).await,
        "refund" => {
            let mark = shop.queue.failure(&order.out_trade_no).await?;
            assert_eq!(mark.as_deref(), Some("refunded"), "{point:?}");
            let ledger = shop.world.sandbox.ledger();
            let is_it = |paid: &&heyi_sandbox::Order| paid.payjs_order_id == payjs_order_id;
            let paid = ledger.orders.iter().find(is_it).unwrap();
            assert_eq!(paid.status, OrderStatus::Refunded, "{point:?}");
            // Its order is in Redis again, and PayJS repeats its notify.
            let mut repeat = shop.notify_params(&order, 1);
            repeat.insert("payjs_order_id".to_owned(), payjs_order_id.clone());
            shop.enqueue(&order, shop.signed(repeat)).await?;
            let _worker = shop.world.worker().await?;
            shop.quiet().await?;
            assert_eq!(shop.store.code(order.code_id).await?, None, "{point:?}");
            assert_eq!(shop.queue.status().await?.dead, 0, "{point:?}");
        }
        _ => {}
    }
    shop.close().await
}
