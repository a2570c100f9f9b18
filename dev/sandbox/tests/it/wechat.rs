//! WeChat's login.

use heyi_sandbox::Knobs;
use serde_json::Value;

use crate::support::{APPID, Fixture, SECRET, send};

const GRANT: &str = "authorization_code";

async fn login(fixture: &Fixture, query: &[(&str, &str)]) -> Value {
    let url = fixture.url_with("wechat/sns/jscode2session", query.iter().copied());
    let response = send(fixture.http.get(url)).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/plain");
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

async fn show(fixture: &Fixture, code: &str) -> Value {
    let query = [
        ("appid", APPID),
        ("secret", SECRET),
        ("js_code", code),
        ("grant_type", GRANT),
    ];
    login(fixture, &query).await
}

#[tokio::test]
async fn a_code_is_good_for_one_login() {
    let fixture = Fixture::new().await;
    let first = show(&fixture, "code-alice-1").await;
    assert_eq!(first["openid"].as_str().unwrap().len(), 28);
    assert!(first["openid"].as_str().unwrap().starts_with('o'));
    assert_eq!(first["session_key"].as_str().unwrap().len(), 24);
    assert_eq!(first.get("errcode"), None);
    assert_eq!(show(&fixture, "code-alice-1").await["errcode"], 40163);
    assert_eq!(
        show(&fixture, "code-alice-2").await["openid"],
        first["openid"]
    );
    assert_eq!(
        show(&fixture, "code-alice").await["openid"],
        first["openid"]
    );
    assert_ne!(show(&fixture, "code-bob").await["openid"], first["openid"]);
}

#[tokio::test]
async fn any_other_code_is_a_person_as_often_as_it_comes() {
    let fixture = Fixture::new().await;
    let codes = ["the code is a mock one", "0e3fWmll2AbCdE4xYzml2", "bob"];
    let mut people = Vec::new();
    for code in codes {
        let openid = show(&fixture, code).await["openid"].clone();
        assert_eq!(show(&fixture, code).await["openid"], openid, "{code}");
        assert!(openid.is_string() && !people.contains(&openid), "{code}");
        people.push(openid);
    }
    assert_eq!(show(&fixture, "code-bob-1").await["openid"], people[2]);
}

#[tokio::test]
async fn a_busy_wechat_uses_up_no_code() {
    let fixture = Fixture::new().await;
    fixture.sandbox.set_knobs(Knobs {
        wechat_busy: 2,
        ..Knobs::default()
    });
    for errcode in [Some(-1), Some(-1), None] {
        let reply = show(&fixture, "code-alice-1").await;
        assert_eq!(reply["errcode"].as_i64(), errcode);
    }
}

#[tokio::test]
async fn every_errcode_can_be_had() {
    let fixture = Fixture::new().await;
    let errcodes = [
        -1, 40029, 40163, 45011, 40226, 40013, 40125, 41002, 41004, 41008,
    ];
    for errcode in errcodes {
        let reply = show(&fixture, &format!("code-error-{errcode}")).await;
        assert_eq!(reply["errcode"], errcode);
        assert!(
            reply["errmsg"].as_str().unwrap().contains(", rid: "),
            "{reply}"
        );
        assert_eq!(reply.get("openid"), None);
    }
    let errcodes_seen: Vec<_> = fixture
        .sandbox
        .ledger()
        .logins
        .iter()
        .map(|login| login.errcode)
        .collect();
    assert_eq!(errcodes_seen, errcodes);
}

#[tokio::test]
async fn bad_requests_get_the_errcode_of_what_is_wrong() {
    let fixture = Fixture::new().await;
    let cases: [(&[(&str, &str)], i32); 9] = [
        (&[], 41002),
        (&[("appid", "wx1")], 40013),
        (&[("appid", APPID)], 41004),
        (&[("appid", APPID), ("secret", "wrong")], 40125),
        (&[("appid", APPID), ("secret", SECRET)], 41008),
        // The parameter is called js_code.
        (
            &[("appid", APPID), ("secret", SECRET), ("code", "code-alice")],
            41008,
        ),
        (
            &[
                ("appid", APPID),
                ("secret", SECRET),
                ("js_code", "code-alice"),
            ],
            40002,
        ),
        (
            &[
                ("appid", APPID),
                ("secret", SECRET),
                ("js_code", "code-"),
                ("grant_type", GRANT),
            ],
            40029,
        ),
        (
            &[
                ("appid", APPID),
                ("secret", SECRET),
                ("js_code", "code-error-7"),
                ("grant_type", GRANT),
            ],
            40029,
        ),
    ];
    for (query, errcode) in cases {
        assert_eq!(
            login(&fixture, query).await["errcode"],
            errcode,
            "{query:?}"
        );
    }
}

#[tokio::test]
async fn a_post_is_taken_for_a_missing_appid() {
    let fixture = Fixture::new().await;
    let url = fixture.url("wechat/sns/jscode2session");
    let form = [
        ("appid", APPID),
        ("secret", SECRET),
        ("js_code", "code-alice"),
        ("grant_type", GRANT),
    ];
    let text = send(fixture.http.post(url).form(&form))
        .await
        .text()
        .await
        .unwrap();
    assert!(text.contains("41002"), "{text}");
}
