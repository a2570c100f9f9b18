//! Copies the list of blocked people from MongoDB to their codes and to marks in Redis.
//!
//! `/newOrder` and promotions check only Redis, which may lose its data. So every worker repeats the copy periodically.
//! It is idempotent and safe to run concurrently.

use std::time::Duration;

use heyi_common::{
    backoff::{Backoff, jitter},
    order::OpenId,
    outage,
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::Context;

/// Codes that were promoted without a mark in Redis are taken down within this time.
const EVERY: Duration = Duration::from_secs(20);
/// Lifetime of a mark in Redis, unless it is renewed.
pub(crate) const MARK_TTL: Duration = Duration::from_secs(600);

/// Timeout of a promotion's check of the mark.
const PATIENCE: Duration = Duration::from_secs(1);

/// Takes down the codes of `openid` if its mark is in Redis, including one promoted just now. On failure [`watch`] does
/// it later, so promotions do not depend on it.
pub(crate) async fn apply_mark(context: &Context, openid: &OpenId) {
    let apply = async {
        if context.orders.is_blocked(openid).await? {
            context
                .store
                .take_down(std::slice::from_ref(openid))
                .await?;
        }
        anyhow::Ok(())
    };
    let applied = timeout(PATIENCE, apply).await;
    if let Err(error) = applied.map_err(anyhow::Error::from).flatten() {
        tracing::debug!(
            error = format!("{error:#}"),
            "a block cannot be applied to a new code yet"
        );
    }
}

/// Copies until `stop`.
pub(crate) async fn watch(context: Context, stop: CancellationToken) {
    stop.run_until_cancelled(keep_applying(&context)).await;
}

async fn keep_applying(context: &Context) {
    let mut backoff = Backoff::new(Duration::from_secs(1), EVERY);
    loop {
        match apply(context).await {
            Ok(codes) => {
                if codes > 0 {
                    tracing::info!(codes, "codes of blocked owners disabled");
                }
                backoff.reset();
                sleep(jitter(EVERY)).await;
            }
            Err(error) => {
                outage::report(
                    "blocked owners cannot be applied, trying again",
                    error.as_ref(),
                );
                backoff.wait().await;
            }
        }
    }
}

async fn apply(context: &Context) -> anyhow::Result<u64> {
    let blocked = context.store.blocked_openids().await?;
    // Update each store even if the other is unavailable.
    let marked = context.orders.block(&blocked, MARK_TTL).await;
    let codes = context.store.apply_blocks(&blocked).await?;
    // Remove the marks of people who were unblocked in the meantime.
    let still = context.store.blocked_openids().await?;
    for openid in blocked.iter().filter(|openid| !still.contains(openid)) {
        context.orders.unblock(openid).await?;
    }
    marked?;
    Ok(codes)
}
