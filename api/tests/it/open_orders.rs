//! The limit of unpaid orders for a person.

use std::{iter::repeat_n, time::Duration};

use anyhow::Result;
use futures::future::try_join_all;
use heyi_common::{
    gateway::payjs,
    order::{Fee, Order, OrderData, OutTradeNo},
    pending_orders::{Placed, Terms},
    queue::Keys,
};
use heyi_testkit::{
    servers::process::free_port,
    world::{Answer, Client, Person, data, eventually, signed},
};
use redis::AsyncCommands;

use crate::support::{TestApp, assert_fails, header};

/// Sends an order that differs from all others.
async fn order(client: &Client, person: &Person) -> Result<Answer> {
    let name = mongodb::bson::oid::ObjectId::new().to_hex();
    let data = data(&person.openid, &name).to_string();
    let pairs = [("data", data.as_str()), ("totalFee", "990")];
    client
        .post_form("/newOrder", &signed("/newOrder", &pairs, &person.key))
        .await
}

fn number_in(answer: &Answer) -> Result<OutTradeNo> {
    let params = &answer.json()["params"];
    Ok(params["out_trade_no"]
        .as_str()
        .unwrap_or_default()
        .parse()?)
}

#[tokio::test]
async fn the_bound_holds_for_orders_of_one_moment_at_several_apis() -> Result<()> {
    for partitions in ["1", "16"] {
        let settings = [
            ("ORDERS__OPEN_PER_PERSON", "5"),
            ("QUEUE__PARTITIONS", partitions),
        ];
        let app = TestApp::start_with(&settings).await?;
        let other = app.world.start_with("heyi-api", free_port()?, &[])?;
        let other = other.ready().await?;
        let clients = [app.client.clone(), app.client.at(&other.url())];
        let (alice, bob) = (
            app.client.login("alice").await?,
            app.client.login("bob").await?,
        );

        let requests = repeat_n(&clients, 20).flatten();
        let answers = try_join_all(requests.map(|client| order(client, &alice))).await?;
        let (made, refused): (Vec<_>, Vec<_>) =
            answers.iter().partition(|answer| answer.status == 200);
        assert_eq!(made.len(), 5, "with {partitions} partitions");
        for answer in refused {
            assert_fails(answer, 429, "you have 5 unpaid orders: pay one of them");
            let seconds: u64 = header(answer, "retry-after").parse()?;
            assert!((80_000..=86_401).contains(&seconds), "{seconds}");
        }
        let answer = order(&app.client, &bob).await?;
        assert_eq!(answer.status, 200, "another person: {}", answer.body);

        let keys = app.world.queue()?.keys().clone();
        let openid = alice.openid.parse()?;
        for answer in made {
            assert_eq!(
                keys.partition(&number_in(answer)?),
                keys.partition_of_person(&openid)
            );
        }
        other.stop().await?;
        app.finish().await?;
    }
    Ok(())
}

#[tokio::test]
async fn refused_orders_are_counted_and_the_counter_exists_before() -> Result<()> {
    let app = TestApp::start_with(&[("ORDERS__OPEN_PER_PERSON", "1")]).await?;
    let alice = app.client.login("alice").await?;
    let counter = async || -> Result<String> {
        let metrics = app.monitor("/metrics").await?.body;
        let line = metrics
            .lines()
            .find(|line| line.starts_with("heyi_orders_refused_total{reason=\"too_many_open\"}"));
        Ok(line.unwrap_or("no such counter").to_owned())
    };
    assert!(counter().await?.ends_with(" 0"), "{}", counter().await?);
    assert_eq!(order(&app.client, &alice).await?.status, 200);
    assert_eq!(order(&app.client, &alice).await?.status, 429);
    assert!(counter().await?.ends_with(" 1"), "{}", counter().await?);
    app.finish().await
}

#[tokio::test]
async fn a_paid_order_frees_its_place_before_and_after_its_promotion() -> Result<()> {
    for partitions in ["1", "16"] {
        let settings = [
            ("ORDERS__OPEN_PER_PERSON", "1"),
            ("QUEUE__PARTITIONS", partitions),
        ];
        let app = TestApp::start_with(&settings).await?;
        let alice = app.client.login("alice").await?;
        // No worker yet: the first stays in the cache although it is paid.
        let (first, _) = app.client.pay(&alice, "first", 990).await?;
        eventually("the notify of the first order", async || {
            Ok(app.world.queue()?.status().await?.waiting == 1)
        })
        .await?;
        let (second, _) = app.client.pay(&alice, "second", 990).await?;
        let worker = app.world.worker().await?;
        app.client.code_of(&first).await?;
        app.client.code_of(&second).await?;
        eventually("no order in the cache", async || {
            let orders = app.world.orders()?;
            Ok(orders.get(&second.parse()?).await?.is_none())
        })
        .await?;
        assert_eq!(order(&app.client, &alice).await?.status, 200);
        assert_eq!(order(&app.client, &alice).await?.status, 429);
        worker.stop().await?;
        app.finish().await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_expired_order_frees_its_place_and_nothing_of_it_stays() -> Result<()> {
    for partitions in ["1", "16"] {
        let app = TestApp::start_with(&[("QUEUE__PARTITIONS", partitions)]).await?;
        let (orders, keys) = (app.world.orders()?, app.world.queue()?.keys().clone());
        let terms = Terms {
            ttl: Duration::from_millis(200),
            open_per_person: 1,
            signature: None,
        };
        let first = an_order(&app, &keys)?;
        assert_eq!(orders.place(&first, terms).await?, Placed::Stored);
        eventually("a place for the second order", async || {
            let placed = orders.place(&an_order(&app, &keys)?, terms).await?;
            Ok(placed == Placed::Stored)
        })
        .await?;
        eventually("no key of the person", async || {
            let open: u64 = app.redis()?.exists(keys.open(&first.openid)).await?;
            Ok(open == 0)
        })
        .await?;
        app.finish().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_write_that_is_sent_twice_is_one_order() -> Result<()> {
    let app = TestApp::start().await?;
    let (orders, keys) = (app.world.orders()?, app.world.queue()?.keys().clone());
    let terms = Terms {
        ttl: Duration::from_secs(600),
        open_per_person: 1,
        signature: None,
    };
    let order = an_order(&app, &keys)?;
    for _ in 0..2 {
        assert_eq!(orders.place(&order, terms).await?, Placed::Stored);
    }
    let open: Vec<String> = app.redis()?.zrange(keys.open(&order.openid), 0, -1).await?;
    assert_eq!(open, [order.out_trade_no.to_string()]);
    let placed = orders.place(&an_order(&app, &keys)?, terms).await?;
    assert!(
        matches!(placed, Placed::TooManyOpen { first_expires_in } if first_expires_in <= terms.ttl),
        "{placed:?}"
    );
    app.finish().await
}

/// An order of always the same person.
fn an_order(app: &TestApp, keys: &Keys) -> Result<Order> {
    let config = app.world.config(heyi_common::config::Process::Api)?;
    let json = data("oAlice0000000000000000000000", "小店").to_string();
    let data = OrderData::parse(&json, &config.orders.payloads)?;
    let number = keys.draw_number(&data.openid);
    Ok(Order::new(
        data,
        Fee::new(990)?,
        number,
        payjs::merchant(&config.payjs),
    ))
}
