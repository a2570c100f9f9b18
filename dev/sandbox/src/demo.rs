//! The demo page, which plays the mini-program.

use axum::{
    Json, Router,
    extract::State,
    http::header,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use heyi_common::platform::Platform;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::context::Shared;

/// The mini-program's client, wrapped for a page, which has no CommonJS modules.
const CLIENT: &str = concat!(
    "const { Heyi } = ((module) => {\n",
    include_str!("../../../client/miniprogram/heyi.js"),
    "\nreturn module.exports;\n})({ exports: {} });\n",
);
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/", get(async || Html(include_str!("../demo/index.html"))))
        .route(
            "/demo/demo.css",
            get(async || file("text/css; charset=utf-8", include_str!("../demo/demo.css"))),
        )
        .route(
            "/demo/demo.js",
            get(async || file(JAVASCRIPT, include_str!("../demo/demo.js"))),
        )
        .route(
            "/demo/wx.js",
            get(async || file(JAVASCRIPT, include_str!("../demo/wx.js"))),
        )
        .route("/demo/heyi.js", get(async || file(JAVASCRIPT, CLIENT)))
        .route("/demo/settings.json", get(settings))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// The settings that are built into a mini-program.
async fn settings(State(ctx): State<Shared>) -> Response {
    let platforms = Platform::ALL.into_iter().filter_map(|platform| {
        let row = platform.row();
        let sample = row.sample?;
        let label = if row.chinese == row.english {
            row.chinese.to_owned()
        } else {
            format!("{} {}", row.chinese, row.english)
        };
        Some(json!({ "key": row.key, "label": label, "sample": sample, "agent": row.agent }))
    });
    let settings = json!({
        "app_key": ctx.options.app_key.expose_secret(),
        "platforms": platforms.collect::<Vec<_>>(),
    });
    Json(settings).into_response()
}
