use anyhow::Result;
use heyi_testkit::world::{params, signed};

use crate::support::{TestApp, assert_fails};

#[tokio::test]
async fn an_owner_deletes_a_code_once_or_more() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?;
    let id = code.id.to_hex();
    let request = signed("/del", &[("id", &id)], &alice.key);
    for answer in app.in_every_way("/del", &request).await? {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, r#"{"errmsg":"ok","errcode":200}"#);
    }
    let page = app.client.get("/qr", &params(&[("id", &id)])).await?;
    assert_eq!(page.status, 410);
    let kept = app.store.code(code.id).await?;
    assert!(kept.is_some_and(|kept| kept.state.deleted_at.is_some()));
    app.finish().await
}

#[tokio::test]
async fn whatever_is_wrong_the_answer_is_one_and_the_code_stays() -> Result<()> {
    let app = TestApp::start().await?;
    let (alice, bob) = (
        app.client.login("alice").await?,
        app.client.login("bob").await?,
    );
    let code = app.code(&alice, "小店").await?;
    let id = code.id.to_hex();
    let mut bodies = Vec::new();
    for request in [
        params(&[("id", &id)]),
        signed("/del", &[("id", &id)], &bob.key),
        app.client.signed_by_app("/del", &[("id", &id)]),
        signed("/del", &[("id", "000000000000000000000000")], &alice.key),
        signed("/del", &[("id", "malformed")], &alice.key),
    ] {
        for answer in app.in_every_way("/del", &request).await? {
            assert_fails(&answer, 400, "no such code of yours");
            bodies.push(answer.body);
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    for without in [&[][..], &[("id", "")]] {
        let request = signed("/del", without, &alice.key);
        assert_fails(&app.client.get("/del", &request).await?, 400, "`id`");
    }
    let page = app.client.get("/qr", &params(&[("id", &id)])).await?;
    assert_eq!(page.status, 200);
    app.finish().await
}
