//! Bodies with `Content-Encoding`.

use std::io::Write;

use anyhow::Result;
use flate2::{Compression, write::GzEncoder};
use heyi_common::form;
use heyi_testkit::world::{Answer, data, params, signed};
use serde_json::json;

use crate::support::{TestApp, assert_fails, header};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

fn gzip(plain: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain)?;
    Ok(encoder.finish()?)
}

async fn send(
    app: &TestApp,
    path: &str,
    kind: &str,
    encoding: &str,
    body: Vec<u8>,
) -> Result<Answer> {
    let request = app
        .client
        .request(reqwest::Method::POST, path)
        .header("content-type", kind)
        .header("content-encoding", encoding)
        .body(body);
    app.client.send(request).await
}

#[tokio::test]
async fn a_body_with_gzip_is_read_as_without() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let upload = data(&alice.openid, "小店").to_string();
    let pairs = [("data", upload.as_str()), ("totalFee", "990")];
    let order = signed("/newOrder", &pairs, &alice.key);
    let bodies = [
        (JSON, json!(order).to_string()),
        (FORM, form::write(&order)),
    ];
    // The second sends the same signature, which makes no second order.
    for ((kind, body), status) in bodies.into_iter().zip([200, 400]) {
        let answer = send(&app, "/newOrder", kind, "gzip", gzip(body.as_bytes())?).await?;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
        assert!(status == 200 || answer.body.contains("has made an order"));
    }
    app.finish().await
}

#[tokio::test]
async fn other_encodings_are_refused_by_name_and_bombs_are_too_large() -> Result<()> {
    let app = TestApp::start().await?;
    let body = form::write(&params(&[("code", "x")]));
    for encoding in ["br", "deflate", "zstd", "gzip, gzip"] {
        let answer = send(&app, "/login", FORM, encoding, body.clone().into_bytes()).await?;
        assert_fails(&answer, 415, "Content-Encoding");
        assert_eq!(header(&answer, "accept-encoding"), "gzip");
    }
    let bomb = gzip(&vec![b'a'; 8 << 20])?;
    assert!(bomb.len() < 16 * 1024);
    let answer = send(&app, "/login", FORM, "gzip", bomb.clone()).await?;
    assert_fails(&answer, 413, "longer than 16 KiB");
    let answer = send(&app, "/login", FORM, "gzip", body.into_bytes()).await?;
    assert_fails(&answer, 400, "gzip");
    for (encoding, body, status) in [("gzip", bomb, 413), ("br", vec![1], 415)] {
        let answer = send(&app, "/notify", FORM, encoding, body).await?;
        assert_eq!((answer.status.as_u16(), &*answer.body), (status, "fail"));
    }
    let kind = "multipart/form-data; boundary=x";
    let answer = send(&app, "/decode", kind, "gzip", gzip(b"--x--")?).await?;
    assert_fails(&answer, 415, "Content-Encoding");
    app.finish().await
}
