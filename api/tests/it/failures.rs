use anyhow::Result;
use reqwest::Method;

use crate::support::{TestApp, assert_fails, header};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn failures_are_json_or_the_page_of_their_status() -> Result<()> {
    let app = TestApp::start().await?;
    for (path, status, title) in [
        ("/nowhere", 404, "页面不存在"),
        ("/login", 400, "请求无法处理"),
        ("/notify", 405, "请求无法处理"),
        ("/qr", 410, "收款码已失效"),
        ("/qr/0.png", 410, "收款码已失效"),
        ("/checkOrder?out_trade_no=A", 500, "没有这笔订单"),
    ] {
        let page = app.get_with(path, &[("accept", BROWSER)]).await?;
        assert_eq!(page.status, status, "{path}");
        assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
        assert!(header(&page, "content-security-policy").starts_with("default-src 'none'"));
        assert!(
            page.body.contains(&format!("<h1>{title}</h1>")),
            "{path}: {}",
            page.body
        );
        assert_eq!(header(&page, "vary"), "accept, accept-language");

        let json = app.get_with(path, &[("accept", JSON)]).await?;
        assert_fails(&json, status, "");
        assert_eq!(header(&json, "content-type"), JSON);
        assert_eq!(header(&json, "vary"), "accept, accept-language");
    }
    app.finish().await
}

#[tokio::test]
async fn errmsg_is_in_the_language_of_who_asks() -> Result<()> {
    let app = TestApp::start().await?;
    let chinese = [
        ("accept", JSON),
        ("accept-language", "zh-CN,zh;q=0.9,en;q=0.8"),
    ];
    let english = [("accept", JSON), ("accept-language", "en-US,en;q=0.9")];
    for (path, status) in [
        ("/nowhere", 404),
        ("/login", 400),
        ("/login?code=1", 400),
        ("/login?code=1&ts=1&sign=x", 400),
        ("/newOrder?data=%7B&totalFee=990", 400),
        ("/newOrder?data=%7B%7D&totalFee=990&utm=1", 400),
        ("/notify", 405),
        ("/qr", 410),
        ("/qr/0.png", 410),
        ("/report", 400),
        ("/reflash", 400),
        ("/del?id=1", 400),
        ("/update", 400),
        ("/changes", 400),
        ("/stats", 400),
        ("/checkOrder?out_trade_no=A", 500),
        ("/checkOrder?out_trade_no=%20", 400),
        ("/decode", 405),
    ] {
        let answer = app.get_with(path, &chinese).await?;
        assert_fails(&answer, status, "");
        assert_eq!(header(&answer, "vary"), "accept, accept-language");
        let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
        let errmsg = answer.text("errmsg");
        assert!(errmsg.contains(is_han), "{path}: {errmsg}");
        let answer = app.get_with(path, &english).await?;
        let errmsg = answer.text("errmsg");
        assert!(!errmsg.contains(is_han), "{path}: {errmsg}");
        let silent = app.get_with(path, &[("accept", JSON)]).await?;
        assert_eq!(silent.text("errmsg"), errmsg, "{path}");
        let page = [("accept", BROWSER), ("accept-language", "zh")];
        let page = app.get_with(path, &page).await?;
        assert!(!page.body.contains(&errmsg), "{path}: {}", page.body);
    }
    app.finish().await
}

#[tokio::test]
async fn the_wish_for_a_page_is_weighed() -> Result<()> {
    let app = TestApp::start().await?;
    for (accept, is_page) in [
        ("*/*", false),
        ("", false),
        ("text/html", true),
        ("text/html;q=0.4, application/json;q=0.5", false),
        ("application/json;q=0.4, text/html;q=0.5", true),
        ("text/html, application/json", false),
    ] {
        let answer = app.get_with("/nowhere", &[("accept", accept)]).await?;
        assert_eq!(
            answer.body.starts_with("<!doctype html>"),
            is_page,
            "{accept}"
        );
    }
    app.finish().await
}

#[tokio::test]
async fn what_a_page_quotes_of_a_request_is_text() -> Result<()> {
    let app = TestApp::start().await?;
    let path = "/login?%3Cscript%3E=1&%3Cscript%3E=2";
    let page = app
        .get_with(path, &[("accept", BROWSER), ("accept-language", "en")])
        .await?;
    assert_eq!(page.status, 400);
    assert!(!page.body.contains("<script"), "{}", page.body);
    assert!(page.body.contains("&lt;script"), "{}", page.body);
    app.finish().await
}

#[tokio::test]
async fn a_method_that_a_route_does_not_have_is_405() -> Result<()> {
    let app = TestApp::start().await?;
    for (method, path) in [
        (Method::GET, "/notify"),
        (Method::PUT, "/login"),
        (Method::DELETE, "/del"),
        (Method::POST, "/healthz"),
        (Method::POST, "/qr/0.png"),
    ] {
        let answer = app.client.send(app.client.request(method, path)).await?;
        assert_fails(&answer, 405, "/openapi.json");
        assert!(!header(&answer, "allow").is_empty(), "{path}");
    }
    app.finish().await
}

#[tokio::test]
async fn a_body_must_say_what_it_is_and_be_it() -> Result<()> {
    let app = TestApp::start().await?;
    for (kind, body, words) in [
        ("", "code=1", "Content-Type"),
        ("text/plain", "code=1", "Content-Type"),
        ("multipart/form-data; boundary=x", "--x--", "Content-Type"),
        (JSON, "code=1", "not the JSON it should be"),
        (JSON, "[1]", "an object of strings and integers"),
        (JSON, r#"{"code": {"a": 1}}"#, "\"code\" must be a string"),
        (
            JSON,
            r#"{"code": "1", "code": "2"}"#,
            "duplicate field \"code\"",
        ),
        (FORM, "code=1&code=2", "duplicate field \"code\""),
        (FORM, "code=%FF", "UTF-8"),
        ("", "", "`code`"),
        (FORM, "", "`code`"),
    ] {
        let answer = app.post("/login", kind, body).await?;
        assert_fails(&answer, 400, words);
    }
    let query = app.get_with("/login?code=1&code=1", &[]).await?;
    assert_fails(&query, 400, "duplicate field \"code\"");
    app.finish().await
}

#[tokio::test]
async fn a_post_does_not_read_the_query() -> Result<()> {
    let app = TestApp::start().await?;
    let params = app
        .client
        .signed_by_app("/login", &[("code", "code-alice")]);
    let path = format!("/login?{}", heyi_common::form::write(&params));
    assert_fails(
        &app.post(&path, FORM, "").await?,
        400,
        "in the body, not in the address",
    );
    app.finish().await
}

#[tokio::test]
async fn a_body_above_16_kib_is_413() -> Result<()> {
    let app = TestApp::start().await?;
    let body = format!("code={}", "x".repeat(16 * 1024));
    for path in ["/login", "/newOrder", "/checkOrder"] {
        assert_fails(&app.post(path, FORM, body.clone()).await?, 413, "16 KiB");
    }
    let exact = format!("code={}", "x".repeat(16 * 1024 - 5));
    assert_fails(&app.post("/login", FORM, exact).await?, 400, "sign");
    app.finish().await
}
