//! `heyi-worker dead` and `heyi-worker rejected`

mod list;

use std::fmt::Write as _;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use heyi_common::{
    config,
    failpoint::{self, Failpoint},
    gateway::{GatewayError, Refund},
    queue::dead::{Letter, LetterId, Page},
    store::{AuditRecord, Existing, RefundClaim, RefundRecord},
};
use mongodb::bson::DateTime;
use serde_json::json;

use super::output::{Out, time};
use crate::Context;

#[derive(Debug, Subcommand)]
pub enum Dead {
    /// List dead letters, newest first
    List(Shown),
    /// Show one whole
    Show {
        /// The id that `dead list` shows
        id: LetterId,
    },
    /// Put one back into the queue
    Retry {
        /// The id that `dead list` shows
        id: LetterId,
    },
    /// Forget one; the collection `audit` keeps what it said
    Drop {
        /// The id that `dead list` shows
        id: LetterId,
        /// Confirm it: the payment neither becomes a code nor is given back
        #[arg(long)]
        yes: bool,
    },
    /// Give the payment back through its gateway, record that, and forget the letter
    Refund {
        /// The id that `dead list` shows
        id: LetterId,
    },
}

#[derive(Debug, Subcommand)]
pub enum Rejected {
    /// List rejected events, newest first
    List(Shown),
    /// Put one back into the queue, e.g. after payjs.key was corrected
    Retry {
        /// The id that `rejected list` shows
        id: LetterId,
    },
}

/// Which of many are listed.
#[derive(Debug, Args)]
pub struct Shown {
    /// The most to list
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    most: u32,
    /// Only those that are older than this one, e.g. the last of the list before
    #[arg(long, value_name = "ID")]
    before: Option<LetterId>,
}

impl From<Shown> for Page {
    fn from(Shown { most, before }: Shown) -> Self {
        Self {
            most: most as usize,
            before,
        }
    }
}

impl Dead {
    pub(super) fn only_reads(&self) -> bool {
        matches!(self, Self::List(_) | Self::Show { .. })
    }

    pub(super) fn asks_gateway(&self) -> bool {
        matches!(self, Self::Refund { .. })
    }
}

pub(super) async fn run(command: Dead, context: &Context, out: &Out) -> anyhow::Result<()> {
    match command {
        Dead::List(shown) => {
            let page = Page::from(shown);
            let letters = context.queue.dead_letters(page).await?;
            let total = context.queue.status().await?.dead;
            out.show(&letters, || {
                list::table(&letters, page, total, "dead letters")
            })
        }
        Dead::Show { id } => {
            let letter = find(context, id).await?;
            out.show(&letter, || whole(&letter))
        }
        Dead::Retry { id } => {
            let letter = find(context, id).await?;
            refuse_begun_refund(context, &letter).await?;
            replay(context, &letter, out).await
        }
        Dead::Drop { id, yes } => drop(context, &find(context, id).await?, yes, out).await,
        Dead::Refund { id } => refund(context, &find(context, id).await?, out).await,
    }
}

pub(super) async fn run_rejected(
    command: Rejected,
    context: &Context,
    out: &Out,
) -> anyhow::Result<()> {
    match command {
        Rejected::List(shown) => {
            let page = Page::from(shown);
            let letters = context.queue.rejected(page).await?;
            let total = context.queue.status().await?.rejected;
            out.show(&letters, || {
                list::table(&letters, page, total, "rejected events")
            })
        }
        Rejected::Retry { id } => {
            let found = context.queue.rejected_event(id).await?;
            replay(
                context,
                &the_one(found, id, "rejected event", "rejected")?,
                out,
            )
            .await
        }
    }
}

async fn replay(context: &Context, letter: &Letter, out: &Out) -> anyhow::Result<()> {
    let id = &letter.id;
    ensure!(context.queue.replay(letter).await?, "{id} is gone");
    out.show(&json!({ "id": id, "done": "queued" }), || {
        format!("{id} is in the queue again")
    })
}

async fn find(context: &Context, id: LetterId) -> anyhow::Result<Letter> {
    the_one(
        context.queue.dead_letter(id).await?,
        id,
        "dead letter",
        "dead",
    )
}

/// Returns the only letter with this id. An ambiguous id is an error, because money may depend on it.
fn the_one(mut found: Vec<Letter>, id: LetterId, what: &str, list: &str) -> anyhow::Result<Letter> {
    if let [_, _, ..] = found[..] {
        let ids: Vec<&str> = found.iter().map(|letter| letter.id.as_str()).collect();
        bail!(
            "there is more than one {what} {id}; name one of {}",
            ids.join(", ")
        );
    }
    let one = found.pop();
    one.with_context(|| format!("there is no {what} {id}; `heyi-worker {list} list` shows them"))
}

/// Refuses the retry of a payment whose refund has begun: it cannot become a code.
async fn refuse_begun_refund(context: &Context, letter: &Letter) -> anyhow::Result<()> {
    let Some(payment) = letter.payment() else {
        return Ok(());
    };
    let existing = context.store.existing(&payment.out_trade_no).await?;
    if matches!(existing, Some(Existing::Refund { payment_id }) if payment_id == payment.payment_id)
    {
        bail!(
            "a refund of payment {} was begun; finish it with `heyi-worker dead refund {}`",
            payment.payment_id,
            letter.id
        );
    }
    Ok(())
}

async fn drop(context: &Context, letter: &Letter, yes: bool, out: &Out) -> anyhow::Result<()> {
    let id = &letter.id;
    ensure!(
        yes,
        "this forgets dead letter {id}:\n{}\nIts payment neither becomes a code nor is given back. \
         Repeat with --yes if that is what you want",
        whole(letter)
    );
    let fields = letter.fields.iter();
    let before = fields.map(|(name, value)| (name.clone(), value.into()));
    let record = AuditRecord::new(config::operator(), "dead drop", id, before.collect());
    context.store.begin_audit(&record).await?;
    ensure!(
        context.queue.drop_letter(letter).await?,
        "dead letter {id} is gone"
    );
    context.store.end_audit(&record).await?;
    out.show(&json!({ "id": id, "done": "dropped" }), || {
        format!("{id} is forgotten; the collection audit keeps what it said")
    })
}

/// Refunds the payment of a letter. Each step is idempotent, so a crash between steps is harmless.
async fn refund(context: &Context, letter: &Letter, out: &Out) -> anyhow::Result<()> {
    let payment = letter
        .payment()
        .context("the letter names no payment that a gateway reported")?;
    let payment_id = &payment.payment_id;
    if let RefundClaim::HasCode(code) = context.store.claim_refund(&payment).await? {
        bail!(
            "payment {payment_id} has become code {code}; it is not refunded. `dead drop` forgets the letter"
        );
    }
    failpoint::reach(Failpoint::RefundClaimed);
    let granted = match context.gateways.refund(&payment).await {
        Err(error @ GatewayError::Refused(..)) => {
            context.store.withdraw_refund(&payment).await?;
            return Err(error.into());
        }
        other => other?,
    };
    failpoint::reach(Failpoint::RefundGranted);
    let record = RefundRecord {
        gateway: payment.gateway,
        payment_id: payment_id.clone(),
        out_trade_no: payment.out_trade_no.clone(),
        reason: letter.field("reason").to_owned(),
        refunded_at: DateTime::now(),
    };
    context.store.record_refund(&record).await?;
    failpoint::reach(Failpoint::RefundRecorded);
    if context.store.mapping(&record.out_trade_no).await?.is_none() {
        context.queue.mark_refunded(&record.out_trade_no).await?;
    }
    failpoint::reach(Failpoint::RefundMarked);
    context.queue.drop_letter(letter).await?;
    let when = match granted {
        Refund::Now => "refunded",
        Refund::Before => "had been refunded before",
    };
    let shown = json!({ "id": letter.id, "payment_id": payment_id, "done": when });
    out.show(&shown, || {
        format!("payment {payment_id} {when}; recorded in the collection refunds")
    })
}

fn whole(letter: &Letter) -> String {
    let mut text = format!("{:<16}{}\n", "id", letter.id);
    for (name, value) in [
        ("received", time(letter.field("received_at"))),
        ("yuan", list::amount(letter)),
    ] {
        if !value.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name:<16}{value}");
        }
    }
    for (name, value) in &letter.fields {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<16}{value}");
    }
    text
}
