//! `code disable --owner`: existing and future codes are disabled, and new orders are refused.

use anyhow::Result;
use heyi_common::{
    order::{OpenId, Order},
    store::Code,
};
use heyi_testkit::world::{Answer, Client, Person, World, eventually, params};

use crate::{
    operator::{json, text},
    support::{TestApp, payment_of},
};

/// An api, a worker's stores and a cheat with two codes.
struct Case {
    app: TestApp,
    client: Client,
    api: heyi_testkit::world::Service,
    cheat: Person,
    codes: [Code; 2],
}

impl Case {
    async fn new(world: World) -> Result<Self> {
        let (client, api) = (world.client()?, world.api().await?);
        let app = TestApp::open(world).await?;
        let cheat = client.login("cheat").await?;
        let openid: OpenId = cheat.openid.parse()?;
        let codes = [code(&app, &openid, 1).await?, code(&app, &openid, 2).await?];
        Ok(Self {
            app,
            client,
            api,
            cheat,
            codes,
        })
    }

    async fn page(&self, code: &Code) -> Result<u16> {
        let page = self
            .client
            .get("/qr", &params(&[("id", &code.id.to_hex())]))
            .await?;
        Ok(page.status.as_u16())
    }

    /// Waits until the page of a code has this status.
    async fn shows(&self, code: &Code, status: u16) -> Result<()> {
        let what = format!("{} answers {status}", code.id);
        eventually(&what, async || Ok(self.page(code).await? == status)).await
    }

    async fn order(&self, person: &Person) -> Result<Answer> {
        self.client.order_over("miniapp", person, "小店").await
    }

    async fn close(self) -> Result<()> {
        self.api.stop().await?;
        self.app.close().await
    }
}

/// A code of this person, as a promotion writes it.
async fn code(app: &TestApp, openid: &OpenId, payment: u32) -> Result<Code> {
    let order = Order {
        openid: openid.clone(),
        ..app.unsaved_order("小店")
    };
    let code = Code::new(&order, &payment_of(&order, payment));
    app.store.insert_code(&code).await?;
    Ok(code)
}

#[tokio::test]
async fn all_codes_of_a_person_go_down_and_come_back_and_orders_are_refused_meanwhile() -> Result<()>
{
    let case = Case::new(World::new().await?).await?;
    let (app, cheat) = (&case.app, &case.cheat);
    let alice = case.client.login("alice").await?;
    let other = code(app, &alice.openid.parse()?, 3).await?;
    json(app, &["code", "disable", &case.codes[1].id.to_hex()]).await?;

    let done = json(app, &["code", "disable", "--owner", &cheat.openid]).await?;
    assert_eq!(
        (&done["state"], &done["codes"]),
        (&"disabled".into(), &2.into())
    );
    for code in &case.codes {
        case.shows(code, 410).await?;
    }
    assert_eq!(case.page(&other).await?, 200);
    let refused = case.order(cheat).await?;
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert!(
        refused.text("errmsg").contains("contact the operator"),
        "{}",
        refused.body
    );
    assert_eq!(case.order(&alice).await?.status, 200);
    let listed = json(app, &["code", "owners"]).await?;
    assert_eq!(listed[0]["openid"], cheat.openid.as_str());
    // A repeat is fine.
    json(
        app,
        &["code", "disable", "--owner-of", &case.codes[0].id.to_hex()],
    )
    .await?;

    let done = json(
        app,
        &["code", "enable", "--owner-of", &case.codes[0].id.to_hex()],
    )
    .await?;
    assert_eq!(
        (&done["state"], &done["codes"]),
        (&"enabled".into(), &2.into())
    );
    case.shows(&case.codes[0], 200).await?;
    assert_eq!(case.order(cheat).await?.status, 200);
    // That one was disabled by itself.
    assert_eq!(case.page(&case.codes[1]).await?, 410);
    let again = text(app, &["code", "enable", "--owner", &cheat.openid]).await?;
    assert!(again.contains("are not disabled"), "{again}");
    assert_eq!(json(app, &["code", "owners"]).await?, serde_json::json!([]));
    Box::pin(case.close()).await
}

#[tokio::test]
async fn a_worker_takes_later_codes_down_and_marks_a_redis_that_lost_everything() -> Result<()> {
    let case = Case::new(World::new().await?).await?;
    let (app, openid) = (&case.app, case.cheat.openid.parse()?);
    json(app, &["code", "disable", "--owner", &case.cheat.openid]).await?;
    // An order of before the block is promoted, and Redis loses the mark.
    let later = code(app, &openid, 3).await?;
    assert_eq!(case.page(&later).await?, 200);
    app.orders.unblock(&openid).await?;
    assert_eq!(case.order(&case.cheat).await?.status, 200);

    let worker = app.world.worker().await?;
    case.shows(&later, 410).await?;
    eventually("orders are refused again", async || {
        Ok(case.order(&case.cheat).await?.status == 403)
    })
    .await?;
    eventually("the log says so", async || {
        Ok(worker.log().contains("codes of blocked owners disabled"))
    })
    .await?;
    assert!(!worker.log().contains(&case.cheat.openid));
    worker.stop().await?;
    Box::pin(case.close()).await
}

#[tokio::test]
async fn an_order_of_before_the_block_becomes_a_code_that_is_down() -> Result<()> {
    let case = Case::new(World::new().await?).await?;
    let (app, client) = (&case.app, &case.client);
    let worker = app.world.worker().await?;
    let order = client.order(&case.cheat, "小店", 990).await?;
    json(app, &["code", "disable", "--owner", &case.cheat.openid]).await?;
    let payment = app.world.sandbox.order(&order)?;
    app.world.sandbox.pay(&payment)?;
    let id = client.code_of(&order["out_trade_no"]).await?;
    let page = client.get("/qr", &params(&[("id", &id)])).await?;
    assert_eq!(page.status, 410, "{}", page.body);
    worker.stop().await?;
    Box::pin(case.close()).await
}

#[tokio::test]
async fn new_orders_do_not_need_mongodb_to_be_refused() -> Result<()> {
    let mut case = Case::new(World::with_own_stores().await?).await?;
    let alice = case.client.login("alice").await?;
    json(
        &case.app,
        &["code", "disable", "--owner", &case.cheat.openid],
    )
    .await?;
    if let Some(mut mongo) = case.app.world.mongo.take() {
        mongo.stop().await?;
    }
    assert_eq!(case.order(&case.cheat).await?.status, 403);
    assert_eq!(case.order(&alice).await?.status, 200);
    case.api.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_command_without_a_code_or_a_person_is_refused() -> Result<()> {
    let app = TestApp::new().await?;
    for arguments in [
        &["code", "disable"][..],
        &[
            "code",
            "disable",
            "000000000000000000000000",
            "--owner",
            "oAlice",
        ],
        &["code", "disable", "--owner", "a b"],
        &["code", "disable", "--owner-of", "nonsense"],
        &["code", "enable", "--owner-of", "000000000000000000000000"],
    ] {
        let output = app.world.operate(arguments).await?;
        assert!(!output.status.success(), "{arguments:?}");
    }
    app.close().await
}
