use anyhow::Result;
use heyi_common::store::{Reason, Report};
use heyi_testkit::world::{eventually, params};

use crate::support::{TestApp, assert_fails, header};

#[tokio::test]
async fn a_report_is_recorded_whoever_sends_it() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?.id;
    let id = code.to_hex();
    let form = app.get_with(&format!("/report?id={id}"), &[]).await?;
    assert_eq!(form.status, 200);
    for part in [
        "<bdi>小店</bdi>",
        "method=\"post\" action=\"report\"",
        &format!("name=\"id\" value=\"{id}\""),
    ] {
        assert!(form.body.contains(part), "{part}: {}", form.body);
    }
    let fields = params(&[
        ("id", &id),
        ("reason", "swapped"),
        ("text", "贴在\r\n我的码上面"),
        ("contact", "13800000000"),
    ]);
    let sent = app.client.post_form("/report", &fields).await?;
    assert_eq!(sent.status, 303);
    let thanks = format!("/{}", header(&sent, "location"));
    let thanks = app.get_with(&thanks, &[]).await?;
    assert!(thanks.body.contains("已收到，谢谢"), "{}", thanks.body);
    assert!(header(&thanks, "content-security-policy").contains("form-action 'self'"));
    let empty = params(&[
        ("id", &id),
        ("reason", "other"),
        ("text", ""),
        ("contact", ""),
    ]);
    assert_eq!(app.client.post_form("/report", &empty).await?.status, 303);

    // One for each address and day: the second is a repeat.
    let reports = app.store.reports(Some(code), 10).await?;
    let told = |report: &Report| (report.reason, report.text.clone(), report.contact.clone());
    assert_eq!(
        reports.iter().map(told).collect::<Vec<_>>(),
        [(
            Reason::Swapped,
            "贴在 我的码上面".to_owned(),
            "13800000000".to_owned()
        )]
    );
    assert_eq!(reports[0].repeats, 1);
    eventually("the log has it", async || {
        Ok(app.api.log().contains("code reported"))
    })
    .await?;
    assert!(!app.api.log().contains("13800000000"));
    app.finish().await
}

#[tokio::test]
async fn a_report_that_cannot_be_is_refused() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let code = app.code(&alice, "小店").await?.id;
    let id = code.to_hex();
    let json = [("accept", "application/json")];
    let long = "长".repeat(501);
    for (fields, status, words) in [
        (params(&[("id", &id)]), 400, "reason"),
        (
            params(&[("id", &id), ("reason", "bad")]),
            400,
            "reason must be fraud",
        ),
        (
            params(&[("id", &id), ("reason", "fraud"), ("text", &long)]),
            400,
            "at most 500",
        ),
        (
            params(&[("id", &id), ("reason", "fraud"), ("contact", &long)]),
            400,
            "at most 100",
        ),
        (params(&[("reason", "fraud")]), 400, "id"),
        (params(&[("id", "nonsense"), ("reason", "fraud")]), 410, ""),
        (
            params(&[("id", "000000000000000000000000"), ("reason", "fraud")]),
            410,
            "",
        ),
    ] {
        let request = app.client.request(reqwest::Method::POST, "/report");
        let request = request
            .header(json[0].0, json[0].1)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(heyi_common::form::write(&fields));
        assert_fails(&app.client.send(request).await?, status, words);
        let page = app.client.post_form("/report", &fields).await?;
        assert_eq!(page.status, status);
        assert!(page.body.starts_with("<!doctype html>"), "{}", page.body);
    }
    for path in ["/report", "/report?id="] {
        assert_fails(&app.get_with(path, &json).await?, 400, "id is missing");
    }
    app.store.set_disabled(code, true).await?;
    let gone = app.gone(&format!("/report?id={id}"), &json).await?;
    assert_fails(&gone, 410, "");
    assert_eq!(app.store.reports(None, 10).await?, []);
    app.finish().await
}

#[tokio::test]
async fn what_a_report_quotes_is_text() -> Result<()> {
    let app = TestApp::start().await?;
    let alice = app.client.login("alice").await?;
    let name = "\"><script>alert(1)</script>{{ 7 * 7 }}";
    let id = app.code(&alice, name).await?.id.to_hex();
    let form = app.get_with(&format!("/report?id={id}"), &[]).await?;
    let fields = params(&[("id", &id), ("reason", name)]);
    let refused = app.client.post_form("/report", &fields).await?;
    let fields = params(&[("id", &id), ("reason", "fraud"), ("text", name)]);
    let sent = app.client.post_form("/report", &fields).await?;
    for page in [form, refused, sent] {
        assert!(!page.body.contains("<script"), "{}", page.body);
    }
    app.finish().await
}

#[tokio::test]
async fn reports_count_towards_the_rate_limit() -> Result<()> {
    let app = TestApp::start_with(&[("HTTP__RATE_LIMIT", "1")]).await?;
    let fields = params(&[("id", ""), ("reason", "fraud")]);
    let mut statuses = Vec::new();
    for _ in 0..20 {
        let answer = app.client.post_form("/report", &fields).await?;
        statuses.push(answer.status.as_u16());
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    app.finish().await
}
