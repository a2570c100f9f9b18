use std::{future::pending, net::SocketAddr};

use axum::{
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request},
    http::StatusCode,
};
use heyi_common::config::{Config, Process};
use tower::ServiceExt;

use super::*;

/// A state that never connects to its stores.
pub(super) async fn state() -> AppState {
    let settings = [
        ("HTTP__PUBLIC_URL", "https://heyi.example.com"),
        ("HTTP__REQUEST_TIMEOUT", "50ms"),
        ("PAYJS__MCHID", "1600000001"),
        ("PAYJS__KEY", "EXAMPLEKEY123456"),
        ("PAYJS__NOTIFY_URL", "https://heyi.example.com/notify"),
        ("WECHAT__APPID", "wx0000000000000000"),
        ("WECHAT__SECRET", "secret"),
        ("SIGN__APP_KEY", "app key"),
        ("SIGN__SESSION_SECRET", "0123456789abcdef0123456789abcdef"),
    ];
    let settings = settings.map(|(name, value)| (format!("HEYI_{name}"), value.to_owned()));
    let config = Config::from_sources(Process::Api, None, settings).unwrap();
    AppState::new(config).await.unwrap()
}

async fn panics() -> &'static str {
    panic!("a secret")
}

async fn never_answers() -> &'static str {
    pending().await
}

async fn answer_of(path: &str, accept: &str) -> (StatusCode, String) {
    let state = state().await;
    let routes = Router::new()
        .route("/panics", get(panics))
        .route("/never", get(never_answers));
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    let request = Request::get(path)
        .header("accept", accept)
        .extension(ConnectInfo(peer))
        .body(Body::empty())
        .unwrap();
    let app = layers(routes, &state).with_state(state);
    let response = app.oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_panic_is_500_and_its_words_stay_here() {
    let (status, body) = answer_of("/panics", "*/*").await;
    assert_eq!(status, 500);
    assert_eq!(
        body,
        r#"{"errcode":500,"errmsg":"something is wrong on our side: try again later"}"#
    );
    let (status, page) = answer_of("/panics", "text/html").await;
    assert_eq!(status, 500);
    assert!(page.contains("服务暂时不可用") && !page.contains("a secret"));
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_408() {
    let (status, body) = answer_of("/never", "*/*").await;
    assert_eq!(status, 408);
    assert!(body.contains("\"errcode\":408"), "{body}");
}
