//! The load: orders at a steady rate, each by its own client.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use heyi_common::{order::Content, payload::Payloads};
use heyi_sandbox::{Knobs, Series};
use heyi_testkit::world::{Client, Person, World, params, payloads};
use jiff::Timestamp;
use rand::{RngExt as _, SeedableRng as _, rngs::Xoshiro256PlusPlus};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout_at};
use tokio_util::task::TaskTracker;

use crate::order::{Orders, Placed, Scenario};

/// The least number of owners.
const FEWEST_PEOPLE: usize = 8;
/// The average number of orders of one person in a run.
const ORDERS_EACH: f64 = 50.0;
/// Confirmed orders a second. PayJS answers one `check` a second.
const CONFIRMS_PER_SECOND: f64 = 0.3;
/// The timeout for placing an order.
const PLACE_FOR: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_secs(1);

/// The shared state of all clients.
#[derive(Clone)]
pub struct Load {
    client: Client,
    sandbox: heyi_sandbox::Sandbox,
    people: Arc<[Person]>,
    orders: Arc<Orders>,
    seed: u64,
    rate: f64,
}

impl Load {
    /// Signs in the owners that orders at this rate need within `length`.
    pub async fn new(
        world: &World,
        orders: Arc<Orders>,
        seed: u64,
        rate: f64,
        length: Duration,
    ) -> Result<Self> {
        let client = world.client()?;
        let mut people = Vec::new();
        for number in 0..people_for(rate * length.as_secs_f64()) {
            people.push(client.login(&format!("owner{number}")).await?);
        }
        Ok(Self {
            client,
            sandbox: world.sandbox.clone(),
            people: people.into(),
            orders,
            seed,
            rate,
        })
    }

    /// Starts orders for `length`. The tracker ends when the last client has its answer, or `patience` after the last order.
    pub async fn run(&self, length: Duration, patience: Duration) -> TaskTracker {
        let clients = TaskTracker::new();
        let end = Instant::now() + length;
        let mut tick = interval(Duration::from_secs_f64(1.0 / self.rate));
        // Keeps the rate even after the machine was busy.
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for number in 0.. {
            tick.tick().await;
            if Instant::now() >= end {
                break;
            }
            self.orders.begin();
            let load = self.clone();
            clients.spawn(async move {
                let played = load.play(number);
                // The reconciliation finds orders without an answer.
                let _ = timeout_at(end + patience, played).await;
            });
        }
        clients.close();
        clients
    }

    /// Runs one client: places an order, perhaps pays it, and asks for its code until it exists.
    async fn play(&self, number: u64) {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed.wrapping_add(number));
        let scenario = scenario(&mut rng, self.rate);
        let Some(placed) = self.place(number, scenario, &mut rng).await else {
            return;
        };
        let out_trade_no = placed.out_trade_no.clone();
        let payjs_order_id = placed.payjs_order_id.clone();
        self.orders.add(placed);
        if scenario == Scenario::NeverPaid {
            return;
        }
        if scenario == Scenario::PaidLate {
            sleep(Duration::from_millis(rng.random_range(1_000..15_000))).await;
        }
        self.orders
            .change(&out_trade_no, |placed| placed.paid = Some(Timestamp::now()));
        if let Err(refusal) = self.sandbox.pay_with(&payjs_order_id, knobs(scenario)) {
            let denied = format!("PayJS refused the payment: {refusal}");
            self.orders
                .change(&out_trade_no, |placed| placed.denied = Some(denied));
            return;
        }
        self.ask(&out_trade_no, &payjs_order_id, scenario).await;
    }

    /// Places an order, with retries while the api or a store is unavailable. An order whose answer was lost is never paid.
    async fn place(
        &self,
        number: u64,
        scenario: Scenario,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Option<Placed> {
        let person = &self.people[rng.random_range(0..self.people.len())];
        let content = Content {
            name: format!("order {number}"),
            payloads: some_payloads(rng),
        };
        let total_fee = rng.random_range(100..100_000);
        let data = json!({
            "openId": person.openid, "name": content.name, "payloads": content.payloads,
        });
        let limit = Instant::now() + PLACE_FOR;
        while Instant::now() < limit {
            let made = self.client.order_of(person, &data, total_fee).await;
            if let Ok(extra_data) = made {
                let out_trade_no = extra_data.get("out_trade_no")?.clone();
                let payjs_order_id = self.sandbox.order(&extra_data).ok()?;
                return Some(Placed {
                    out_trade_no,
                    payjs_order_id,
                    scenario,
                    openid: person.openid.clone(),
                    content,
                    total_fee,
                    paid: None,
                    acknowledged: None,
                    promoted: None,
                    answered: None,
                    denied: None,
                });
            }
            sleep(Duration::from_millis(rng.random_range(200..1_000))).await;
        }
        None
    }

    /// Asks for the code until it exists. It names the payment only if no notify will come any more.
    async fn ask(&self, out_trade_no: &str, payjs_order_id: &str, scenario: Scenario) {
        loop {
            sleep(ASK_EVERY).await;
            let order = self.sandbox.order_at_payjs(payjs_order_id);
            let given_up = scenario == Scenario::ConfirmOnly
                || order.is_some_and(|order| order.series == Series::GivenUp);
            let mut pairs = vec![("out_trade_no", out_trade_no)];
            if given_up {
                pairs.push(("payjs_order_id", payjs_order_id));
            }
            let Ok(answer) = self.client.get("/checkOrder", &params(&pairs)).await else {
                continue;
            };
            let code_id = answer.text("order_id");
            if !code_id.is_empty() {
                self.orders
                    .change(out_trade_no, |placed| placed.answered = Some(code_id));
                return;
            }
            if matches!(answer.text("state").as_str(), "unknown" | "failed") {
                self.orders
                    .change(out_trade_no, |placed| placed.denied = Some(answer.body));
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small positive number"
)]
fn people_for(orders: f64) -> usize {
    ((orders / ORDERS_EACH).ceil() as usize).max(FEWEST_PEOPLE)
}

fn scenario(rng: &mut Xoshiro256PlusPlus, rate: f64) -> Scenario {
    if rng.random_bool((CONFIRMS_PER_SECOND / rate).min(0.1)) {
        return Scenario::ConfirmOnly;
    }
    match rng.random_range(0..10) {
        0..4 => Scenario::PaidOnce,
        4 => Scenario::PaidLate,
        5..7 => Scenario::NotifiedTwice,
        7..9 => Scenario::OutOfOrder,
        _ => Scenario::NeverPaid,
    }
}

fn knobs(scenario: Scenario) -> Knobs {
    let mut knobs = Knobs::default();
    match scenario {
        Scenario::NotifiedTwice => knobs.notify_copies = 2,
        Scenario::OutOfOrder => knobs.notify_repeats = 3,
        Scenario::ConfirmOnly => knobs.lose_notifies = u32::MAX,
        Scenario::PaidOnce | Scenario::PaidLate | Scenario::NeverPaid => {}
    }
    knobs
}

/// A random part of the sample's receive codes, at least one, so that orders differ.
fn some_payloads(rng: &mut Xoshiro256PlusPlus) -> Payloads {
    let all: Payloads = serde_json::from_value(payloads()).unwrap_or_default();
    let kept = rng.random_range(1..1_u32 << all.len());
    (0..)
        .zip(all)
        .filter(|(bit, _)| kept >> bit & 1 == 1)
        .map(|(_, payload)| payload)
        .collect()
}
