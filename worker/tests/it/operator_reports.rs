//! `heyi-worker code reports`

use anyhow::Result;
use heyi_common::{
    order::Content,
    store::{MAX_REPORTS_OF_A_CODE, Reason, Recorded, Report, Reporter},
};
use jiff::civil::date;
use mongodb::bson::oid::ObjectId;
use serde_json::json;

use crate::{
    operator::{json, text},
    support::TestApp,
};

/// Records a report of a code by this client.
async fn report(app: &TestApp, code: ObjectId, client: u32, text: &str) -> Result<Recorded> {
    let address = std::net::Ipv4Addr::from(client).into();
    let reporter = Reporter::new(&"secret".into(), code, date(2026, 11, 28), address);
    let text = text.to_owned().try_into()?;
    let contact = "13800000000".to_owned().try_into()?;
    let report = Report::new(reporter, code, Reason::Fraud, text, contact);
    Ok(app.store.record_report(&report).await?)
}

#[tokio::test]
async fn reports_are_listed_of_all_codes_or_of_one() -> Result<()> {
    let app = TestApp::new().await?;
    let none = json!({ "codes": [], "reports": [] });
    assert_eq!(json(&app, &["code", "reports"]).await?, none);
    let table = text(&app, &["code", "reports"]).await?;
    assert_eq!(table.trim(), "no reports");
    let (one, other) = (ObjectId::new(), ObjectId::new());
    report(&app, one, 1, "收了钱不发货").await?;
    report(&app, one, 1, "").await?;
    report(&app, other, 1, "").await?;
    let all = json(&app, &["code", "reports"]).await?;
    assert_eq!(
        all["reports"][0]["code_id"],
        other.to_hex(),
        "the newest is first"
    );
    assert_eq!(all["reports"][1]["code_id"], one.to_hex());
    assert_eq!(all["codes"][0]["code_id"], other.to_hex());
    let of_one = json(&app, &["code", "reports", &one.to_hex()]).await?;
    assert_eq!(of_one["reports"], json!([all["reports"][1]]));
    assert_eq!(of_one["codes"], json!([all["codes"][1]]));
    assert_eq!(of_one["reports"][0]["reason"], "fraud");
    assert_eq!(of_one["reports"][0]["text"], "收了钱不发货");
    assert_eq!(of_one["reports"][0]["repeats"], 1);
    let newest = json(&app, &["code", "reports", "--most", "1"]).await?;
    assert_eq!(newest["reports"], json!([all["reports"][0]]));
    let table = text(&app, &["code", "reports"]).await?;
    assert!(table.contains("收了钱不发货 (13800000000)"), "{table}");
    let nonsense = text(&app, &["code", "reports", "nonsense"]).await?;
    assert!(nonsense.contains("24 hex digits"), "{nonsense}");
    app.close().await
}

#[tokio::test]
async fn reports_are_told_in_numbers_also_those_that_are_not_stored() -> Result<()> {
    let app = TestApp::new().await?;
    let order = app.order("小店").await?;
    app.promote(&order, 1).await?;
    let code = order.code_id;
    for client in 0..MAX_REPORTS_OF_A_CODE {
        let client = u32::try_from(client)?;
        assert_eq!(report(&app, code, client, "").await?, Recorded::Kept);
    }
    for client in [1_000, 1_001] {
        assert_eq!(report(&app, code, client, "").await?, Recorded::Counted);
    }
    for _ in 0..3 {
        assert_eq!(report(&app, code, 7, "").await?, Recorded::Repeated);
    }
    let content = Content {
        name: "大店".to_owned(),
        payloads: order.content.payloads.clone(),
    };
    app.store.update(code, &content, None).await?;
    let told = json(&app, &["code", "reports", &code.to_hex()]).await?;
    let numbers = &told["codes"][0];
    assert_eq!(numbers["addresses"], MAX_REPORTS_OF_A_CODE);
    assert_eq!(numbers["not_stored"], 2);
    assert_eq!(numbers["repeats"], 3);
    assert_eq!(numbers["changed_at"].as_array().map(Vec::len), Some(1));
    let table = text(&app, &["code", "reports"]).await?;
    let line = table.lines().nth(1).unwrap_or_default();
    let columns: Vec<&str> = line.split_whitespace().take(4).collect();
    assert_eq!(columns, [&code.to_hex(), "100", "3", "2"], "{table}");
    let changed = numbers["changed_at"][0].as_str().unwrap_or("none");
    assert!(line.ends_with(changed), "{table}");
    app.close().await
}
