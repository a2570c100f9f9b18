//! Ids of codes cannot be guessed from other ids.

use std::collections::HashSet;

use anyhow::{Context as _, Result};
use mongodb::bson::oid::ObjectId;

use crate::support::TestApp;

/// The ids that the driver could have given between two others by the same process: same value of the process, a
/// counter in between, any second from the first to the last.
fn between(first: ObjectId, last: ObjectId) -> HashSet<[u8; 12]> {
    let seconds = |id: ObjectId| {
        let [a, b, c, d, ..] = id.bytes();
        u32::from_be_bytes([a, b, c, d])
    };
    let counter = |id: ObjectId| {
        let [.., a, b, c] = id.bytes();
        u32::from_be_bytes([0, a, b, c])
    };
    let mut guesses = HashSet::new();
    for time in (seconds(first)..=seconds(last)).take(100) {
        for count in (counter(first)..=counter(last)).take(1_000) {
            let mut guess = first.bytes();
            guess[..4].copy_from_slice(&time.to_be_bytes());
            guess[9..].copy_from_slice(&count.to_be_bytes()[1..]);
            guesses.insert(guess);
        }
    }
    guesses
}

#[tokio::test]
async fn two_own_codes_do_not_lead_to_those_made_in_between() -> Result<()> {
    let app = TestApp::start().await?;
    let orders = app.world.orders()?;
    let alice = app.client.login("alice").await?;
    let mut ids = Vec::new();
    for _ in 0..8 {
        let params = app.client.order(&alice, "小店", 990).await?;
        let order = orders.get(&params["out_trade_no"].parse()?).await?;
        ids.push(order.context("no order")?.code_id);
    }
    let guesses = between(ids[0], ids[7]);
    for id in &ids[1..7] {
        assert!(!guesses.contains(&id.bytes()), "{ids:?}");
    }
    // The driver's value of the process, and half of it.
    for part in [4..9, 4..7, 6..9] {
        let parts = ids.iter().map(|id| id.bytes()[part.clone()].to_vec());
        let different: HashSet<Vec<u8>> = parts.collect();
        assert_eq!(different.len(), ids.len(), "{ids:?}");
    }
    app.finish().await
}
