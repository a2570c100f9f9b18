//! Rate limits of calls to PayJS and WeChat.

use anyhow::Result;
use redis::AsyncCommands;

use crate::support::{TestApp, assert_fails, header};

#[tokio::test]
async fn a_person_makes_few_native_orders_and_those_refused_are_not_kept() -> Result<()> {
    let app = TestApp::start_with(&[("PAYJS__NATIVE_RATE", "5")]).await?;
    let alice = app.client.login("alice").await?;
    let mut made = 0;
    for _ in 0..10 {
        let answer = app.client.order_over("native", &alice, "小店").await?;
        if answer.status == 200 {
            made += 1;
            continue;
        }
        assert_fails(&answer, 429, "too many native orders");
        assert!(answer.text("errmsg").contains("choose another channel"));
        let seconds: u64 = header(&answer, "retry-after").parse()?;
        assert!((1..=11).contains(&seconds), "{seconds}");
    }
    // Three at the same time; a slow machine lets one of 10 s be earned.
    assert!((3..=4).contains(&made), "{made}");
    let pattern = format!("{}*order:*", app.world.setting("HEYI_REDIS__PREFIX"));
    let kept: Vec<String> = app.redis()?.keys(pattern).await?;
    assert_eq!(kept.len(), made);
    // Nobody is called for other channels.
    app.client.order(&alice, "小店", 990).await?;
    app.finish().await
}

#[tokio::test]
async fn an_address_logs_in_so_often() -> Result<()> {
    let app = TestApp::start_with(&[("WECHAT__LOGIN_RATE", "20")]).await?;
    let mut asked = 0;
    let started = std::time::Instant::now();
    for number in 0..20 {
        let code = format!("made-up-{number}");
        let params = app.client.signed_by_app("/login", &[("code", &code)]);
        let answer = app.client.get("/login", &params).await?;
        if answer.status == 429 {
            assert_fails(&answer, 429, "log in with a new code");
            assert!(!header(&answer, "retry-after").is_empty());
        } else {
            asked += 1;
        }
    }
    // A fifth of all for one address: five at the same time, and one more each quarter of a second.
    let earned = started.elapsed().as_millis() / 250;
    assert!((5..=6 + earned).contains(&asked), "{asked}, {earned}");
    app.finish().await
}
