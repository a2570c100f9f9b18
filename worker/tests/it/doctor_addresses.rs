//! `doctor`: the public addresses.

use anyhow::{Context as _, Result};
use axum::{
    Router,
    http::{StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use tokio::net::TcpListener;

use crate::{operator::text, support::TestApp};

/// Stands before the api and is wrong: answers the status that the path begins with.
async fn wrong_proxy() -> Result<String> {
    async fn answer(uri: Uri) -> Response {
        let status = uri.path().trim_start_matches('/').split('/').next();
        let status = status.and_then(|status| status.parse().ok());
        let location = [(header::LOCATION, "https://heyi.example.com/notify")];
        (status.unwrap_or(StatusCode::NOT_FOUND), location, "hello").into_response()
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    Ok(url)
}

/// The line of `doctor` about this.
async fn line(app: &TestApp, check: &str) -> Result<String> {
    let said = text(app, &["doctor"]).await?;
    let line = said.lines().find(|line| line.contains(check));
    Ok(line.context(said.clone())?.to_owned())
}

#[tokio::test]
async fn addresses_that_lead_to_the_api_are_fine() -> Result<()> {
    let app = TestApp::new().await?;
    let api = app.world.api().await?;
    for check in ["public address", "notify address"] {
        let line = line(&app, check).await?;
        assert!(line.starts_with("ok"), "{line}");
        assert!(line.contains(&api.url()), "{line}");
    }
    app.close().await
}

#[tokio::test]
async fn addresses_that_lead_elsewhere_are_named_with_the_cure() -> Result<()> {
    let mut app = TestApp::new().await?;
    let proxy = wrong_proxy().await?;
    for (status, cure) in [
        (200, "another server answers there"),
        (308, "redirects to https://heyi.example.com/notify"),
        (400, "another server answers there"),
        (403, "something before the api refuses it"),
        (404, "check the path"),
        (502, "does not reach the api"),
    ] {
        let base = format!("{proxy}/{status}");
        app.world.set("HEYI_HTTP__PUBLIC_URL", &base);
        app.world
            .set("HEYI_PAYJS__NOTIFY_URL", format!("{base}/notify"));
        for check in ["public address", "notify address"] {
            let line = line(&app, check).await?;
            assert!(!line.starts_with("ok"), "{line}");
            assert!(line.contains(cure), "{line}");
        }
    }
    // Nobody listens at the discard port.
    app.world
        .set("HEYI_PAYJS__NOTIFY_URL", "http://127.0.0.1:9/notify");
    let line = line(&app, "notify address").await?;
    assert!(line.contains("does not answer"), "{line}");
    assert!(line.contains("refused"), "{line}");
    app.close().await
}
