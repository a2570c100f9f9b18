//! A MongoDB that answers but is unusable: the log, `/readyz` and `doctor` name the cause.

use std::{fs, os::unix::fs::PermissionsExt as _};

use anyhow::Result;
use heyi_testkit::{
    servers::Server,
    world::{Service, World, eventually},
};
use mongodb::{
    Client, Collection, Database, IndexModel,
    bson::{Document, doc},
};
use reqwest::Method;

use crate::{operator::text, support::TestApp};

pub(crate) async fn database(world: &World) -> Result<Database> {
    let client = Client::with_uri_str(world.setting("HEYI_MONGO__URL")).await?;
    Ok(client.database(world.setting("HEYI_MONGO__DATABASE")))
}

async fn codes(world: &World) -> Result<Collection<Document>> {
    Ok(database(world).await?.collection("codes"))
}

async fn doctor(world: &World) -> Result<String> {
    let output = world.operate(&["doctor"]).await?;
    Ok(String::from_utf8(output.stdout)?)
}

/// Starts a worker and waits until it says at the default level why it takes no events.
async fn is_told(world: &World, words: &str) -> Result<Service> {
    let worker = world.start_worker()?;
    eventually(&format!("{words:?} in the log"), async || {
        Ok(worker.log().contains(words))
    })
    .await?;
    let monitor = world.client()?.at(&worker.monitor_url());
    let ready = monitor
        .send(monitor.request(Method::GET, "/readyz"))
        .await?;
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert!(ready.body.contains(words), "{}", ready.body);
    let said = doctor(world).await?;
    let line = said.lines().find(|line| line.contains(words));
    assert!(line.is_some_and(|line| line.starts_with("FIX ")), "{said}");
    Ok(worker)
}

async fn is_promoted(app: TestApp, mut worker: Service) -> Result<()> {
    let order = app.paid_orders(1).await?.remove(0);
    worker.answers("readyz").await?;
    app.quiet().await?;
    app.the_code(&order).await?;
    assert!(worker.stop().await?.success());
    app.close().await
}

#[tokio::test]
async fn old_documents_that_block_the_unique_index_are_named() -> Result<()> {
    let app = TestApp::new().await?;
    let codes = codes(&app.world).await?;
    let old = [doc! { "title": "旧" }, doc! { "title": "旧二" }];
    codes.insert_many(old).await?;
    let worker = is_told(&app.world, "documents in codes have no out_trade_no").await?;
    codes.delete_many(doc! {}).await?;
    Box::pin(is_promoted(app, worker)).await
}

#[tokio::test]
async fn two_documents_of_one_order_are_named() -> Result<()> {
    let app = TestApp::new().await?;
    let codes = codes(&app.world).await?;
    let twice = [doc! { "out_trade_no": "N1" }, doc! { "out_trade_no": "N1" }];
    codes.insert_many(twice).await?;
    let worker = is_told(&app.world, "several documents in codes have out_trade_no").await?;
    codes.delete_many(doc! {}).await?;
    Box::pin(is_promoted(app, worker)).await
}

#[tokio::test]
async fn an_index_of_that_name_that_is_not_unique_is_named() -> Result<()> {
    for keys in [doc! { "out_trade_no": 1 }, doc! { "out_trade_no": -1 }] {
        let app = TestApp::new().await?;
        let codes = codes(&app.world).await?;
        let index = IndexModel::builder().keys(keys).build();
        let name = codes.create_index(index).await?.index_name;
        let worker = is_told(&app.world, "takes its place and is not unique").await?;
        codes.drop_index(name).await?;
        Box::pin(is_promoted(app, worker)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_unique_index_of_another_name_is_enough_and_one_of_another_field_is_named() -> Result<()>
{
    let app = TestApp::new().await?;
    let codes = codes(&app.world).await?;
    for (keys, name) in [
        (doc! { "out_trade_no": 1 }, "by_order"),
        (doc! { "title": 1 }, "by_title"),
    ] {
        let options = mongodb::options::IndexOptions::builder()
            .unique(true)
            .name(name.to_owned())
            .build();
        let index = IndexModel::builder().keys(keys).options(options).build();
        codes.create_index(index).await?;
    }
    let said = doctor(&app.world).await?;
    assert!(
        said.contains("the unique index by_title of codes can refuse a code"),
        "{said}"
    );
    assert!(!said.contains("by_order takes its place"), "{said}");
    let worker = app.world.worker().await?;
    Box::pin(is_promoted(app, worker)).await
}

#[tokio::test]
async fn a_wrong_name_of_the_set_is_named() -> Result<()> {
    let mut app = TestApp::new().await?;
    let right = app.world.setting("HEYI_MONGO__URL").to_owned();
    assert!(right.contains("replicaSet="), "{right}");
    let wrong = right.replace("replicaSet=", "replicaSet=not-");
    app.world.set("HEYI_MONGO__URL", wrong);
    is_told(&app.world, "its replica set is named")
        .await?
        .stop()
        .await?;
    app.world.set("HEYI_MONGO__URL", right);
    app.close().await
}

#[tokio::test]
async fn a_set_that_is_not_initiated_is_named() -> Result<()> {
    let (dir, redis) = own_redis().await?;
    let mongo = Server::mongo_member(&dir.path().join("mongo")).await?;
    for url in [
        format!("mongodb://{}/?replicaSet=rs0", mongo.address()),
        format!("mongodb://{}", mongo.address()),
    ] {
        let world = World::on(redis.url(), url).await?;
        is_told(&world, "run rs.initiate() in mongosh once").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_single_server_works_and_doctor_says_that_it_is_no_replica_set() -> Result<()> {
    let (dir, redis) = own_redis().await?;
    let mongo = Server::mongo_alone(&dir.path().join("mongo")).await?;
    let url = format!("mongodb://{}/", mongo.address());
    let world = World::on(redis.url(), url.clone() + "?replicaSet=rs0").await?;
    is_told(&world, "it is a single server without a replica set").await?;
    let app = TestApp::open(World::on(redis.url(), url).await?).await?;
    let said = doctor(&app.world).await?;
    assert!(said.contains("run it with --replSet"), "{said}");
    let worker = app.world.worker().await?;
    Box::pin(is_promoted(app, worker)).await
}

#[tokio::test]
async fn a_missing_user_a_wrong_password_and_missing_rights_are_named() -> Result<()> {
    let (dir, redis) = own_redis().await?;
    let key = dir.path().join("key");
    fs::write(&key, "A2345678901234567890")?;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    let arguments = vec!["--keyFile".to_owned(), key.display().to_string()];
    let mongo = Server::mongo_with(&dir.path().join("mongo"), arguments).await?;
    let url = |login: &str| format!("mongodb://{login}{}/?replicaSet=rs0", mongo.address());
    let admin = |login: &str| Client::with_uri_str(url(login));
    let user = |name: &str, role: &str| doc! { "createUser": name, "pwd": "p@ss", "roles": [role] };
    // A client on the server's own machine may make the first user.
    let first = admin("").await?.database("admin");
    first.run_command(user("root", "root")).await?;
    let root = admin("root:p%40ss@").await?.database("admin");
    root.run_command(user("heyi", "readWriteAnyDatabase"))
        .await?;
    root.run_command(user("reader", "readAnyDatabase")).await?;

    for (login, words) in [
        ("", "it asks for a user, and mongo.url names none"),
        ("heyi:wrong@", "check user, password and authSource"),
        ("nobody:p%40ss@", "check user, password and authSource"),
        ("reader:p%40ss@", "the role readWrite"),
    ] {
        let world = World::on(redis.url(), url(login)).await?;
        let worker = is_told(&world, words).await?;
        assert!(!worker.log().contains("p@ss"), "{}", worker.log());
    }
    let app = TestApp::open(World::on(redis.url(), url("heyi:p%40ss@")).await?).await?;
    let worker = app.world.worker().await?;
    let said = doctor(&app.world).await?;
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("mongodb"))
        .collect();
    assert!(lines.iter().all(|line| line.starts_with("ok")), "{said}");
    Box::pin(is_promoted(app, worker)).await
}

#[tokio::test]
async fn an_event_about_an_unreadable_document_is_a_dead_letter() -> Result<()> {
    let app = TestApp::new().await?;
    let worker = app.world.worker().await?;
    let mappings: Collection<Document> = database(&app.world).await?.collection("mappings");
    let codes = codes(&app.world).await?;
    for (is_code, payment) in [(false, 3), (true, 4)] {
        let order = app.unsaved_order("小店");
        app.promote(&order, payment).await?;
        let broken = doc! { "$set": { "created_at": "yesterday" } };
        let id = if is_code {
            // As if the worker had died before the mapping.
            app.save(&order).await?;
            codes
                .update_one(doc! { "_id": order.code_id }, broken)
                .await?;
            order.code_id.to_hex()
        } else {
            let number = order.out_trade_no.to_string();
            mappings.update_one(doc! { "_id": &number }, broken).await?;
            number
        };
        app.enqueue(&order, app.notify(&order, payment)).await?;
        let letter = app.the_dead_letter().await?;
        let shown = text(&app, &["dead", "show", &letter.id]).await?;
        assert!(shown.contains("poison"), "{shown}");
        assert!(
            shown.contains(&id) && shown.contains("cannot be read"),
            "{shown}"
        );
        assert!(worker.log().contains(&id));
        app.queue.drop_letter(&letter).await?;
    }
    assert!(
        !worker.log().contains("MongoDB cannot be used"),
        "{}",
        worker.log()
    );
    Box::pin(is_promoted(app, worker)).await
}

#[tokio::test]
async fn an_unreadable_owner_does_not_hide_the_others() -> Result<()> {
    let app = TestApp::new().await?;
    let owners: Collection<Document> = database(&app.world).await?.collection("blocked_owners");
    let broken = doc! { "_id": "oBroken", "blocked_at": "yesterday" };
    owners.insert_one(broken).await?;
    text(&app, &["code", "disable", "--owner", "oCheat"]).await?;
    let listed = text(&app, &["code", "owners"]).await?;
    assert!(listed.contains("oCheat"), "{listed}");
    app.close().await
}

async fn own_redis() -> Result<(tempfile::TempDir, Server)> {
    let dir = tempfile::tempdir()?;
    let redis = Server::redis(&dir.path().join("redis"), None).await?;
    Ok((dir, redis))
}
