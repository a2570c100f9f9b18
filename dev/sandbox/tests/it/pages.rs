//! The demo page's files and its proxy to the api.

use axum::{
    Router,
    http::{HeaderMap, header},
    response::Redirect,
    routing::{get, post},
};
use url::Url;

use crate::support::{Fixture, json, listener, send};

/// An api that echoes requests.
async fn api() -> Url {
    let listener = listener().await;
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let agent = async |headers: HeaderMap| headers[header::USER_AGENT].to_str().unwrap().to_owned();
    let echo = async |uri: axum::http::Uri, body: String| format!("{uri} {body}");
    let router = Router::new()
        .route("/agent", get(agent))
        .route("/echo", post(echo))
        .route(
            "/away",
            get(async || Redirect::temporary("https://qr.alipay.com/fkx")),
        );
    tokio::spawn(async move { axum::serve(listener, router).await });
    Url::parse(&url).unwrap()
}

#[tokio::test]
async fn the_demo_page_and_its_files_are_there() {
    let fixture = Fixture::new().await;
    for path in [
        "",
        "demo/demo.css",
        "demo/demo.js",
        "demo/wx.js",
        "demo/heyi.js",
        "healthz",
    ] {
        let response = send(fixture.http.get(fixture.url(path))).await;
        assert_eq!(response.status(), 200, "{path}");
        assert!(!response.text().await.unwrap().trim().is_empty(), "{path}");
    }
    let settings = json(fixture.http.get(fixture.url("demo/settings.json"))).await;
    assert_eq!(settings["app_key"], "app-key");
}

#[tokio::test]
async fn calls_are_passed_on_with_query_body_and_user_agent() {
    let fixture = Fixture::with_api(Some(api().await)).await;
    let echo = fixture
        .http
        .post(fixture.url("api/echo?a=%20b"))
        .body("text");
    assert_eq!(send(echo).await.text().await.unwrap(), "/echo?a=%20b text");
    let agent = fixture
        .http
        .get(fixture.url("api/agent"))
        .header("user-agent", "browser")
        .header("x-sandbox-user-agent", "AlipayClient/10.5");
    assert_eq!(send(agent).await.text().await.unwrap(), "AlipayClient/10.5");
    let missing = send(fixture.http.get(fixture.url("api/missing"))).await;
    assert_eq!(missing.status(), 404);
}

#[tokio::test]
async fn redirects_are_not_followed_and_can_be_shown() {
    let fixture = Fixture::with_api(Some(api().await)).await;
    let away = fixture.http.get(fixture.url("api/away"));
    let shown = away
        .try_clone()
        .unwrap()
        .header("x-sandbox-show-redirect", "1");
    let response = send(away).await;
    assert_eq!(response.status(), 307);
    assert_eq!(response.headers()["location"], "https://qr.alipay.com/fkx");
    let shown = json(shown).await;
    assert_eq!(shown["location"], "https://qr.alipay.com/fkx");
}

#[tokio::test]
async fn without_an_api_the_call_says_so() {
    let fixture = Fixture::new().await;
    assert_eq!(
        send(fixture.http.get(fixture.url("api/qr"))).await.status(),
        503
    );
    let gone = Fixture::with_api(Some(Url::parse("http://127.0.0.1:1/").unwrap())).await;
    assert_eq!(send(gone.http.get(gone.url("api/qr"))).await.status(), 502);
}
