//! WeChat's `code2Session`.
//!
//! `code-<name>` and `code-<name>-<anything>` are valid for one login as `<name>`. `code-error-<errcode>` gets that error.
//! Any other code is one person and may be repeated: without a real appid WeChat's developer tools return the same code
//! every time. Replies are JSON with the type text/plain, as WeChat's are.

use std::time::Duration;

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use heyi_common::form;
use jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::{context::Shared, knobs::Wechat, ledger::Login, options::Options, pseudonym};

/// The prefix of codes for one login.
const ONCE: &str = "code-";
const BUSY: i32 = -1;
/// The errcodes and their texts.
const ERRORS: [(i32, &str); 11] = [
    (BUSY, "system error"),
    (40002, "invalid grant_type"),
    (40013, "invalid appid"),
    (40029, "invalid code"),
    (40125, "invalid appsecret"),
    (40163, "code been used"),
    (40226, "high risk user, login blocked"),
    (41002, "appid missing"),
    (41004, "appsecret missing"),
    (41008, "missing code"),
    (
        45011,
        "api minute-quota reach limit, must slower, retry next minute",
    ),
];

/// Longer than any client's timeout.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn routes() -> Router<Shared> {
    let refuse_post = async |State(ctx): State<Shared>| fail(&ctx, "", 41002);
    Router::new().route(
        "/wechat/sns/jscode2session",
        get(code_to_session).post(refuse_post),
    )
}

async fn code_to_session(State(ctx): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let mode = ctx.books().knobs.wechat;
    match mode {
        Wechat::Ok => {}
        Wechat::Slow => ctx.pause(FOREVER).await,
        Wechat::Http500 => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Wechat::Garbage => return plain("<html>upstream timed out".to_owned()),
    }
    let params = form::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let param = |name: &str| params.get(name).map(String::as_str).unwrap_or_default();
    let code = param("js_code");
    if let Err(errcode) = credentials(&ctx.options, param) {
        return fail(&ctx, code, errcode);
    }
    if take_busy(&ctx) {
        return fail(&ctx, code, BUSY);
    }
    match person(code) {
        Ok(_) if code.starts_with(ONCE) && !ctx.books().used_codes.insert(code.to_owned()) => {
            fail(&ctx, code, 40163)
        }
        Ok(name) => succeed(&ctx, code, name),
        Err(errcode) => fail(&ctx, code, errcode),
    }
}

/// Checks the credentials of the mini-program's backend, and that there is a code.
fn credentials<'a>(options: &Options, param: impl Fn(&str) -> &'a str) -> Result<(), i32> {
    match (
        param("appid"),
        param("secret"),
        param("js_code"),
        param("grant_type"),
    ) {
        ("", ..) => Err(41002),
        (appid, ..) if appid != options.appid => Err(40013),
        (_, "", ..) => Err(41004),
        (_, secret, ..) if secret != options.secret.expose_secret() => Err(40125),
        (_, _, "", _) => Err(41008),
        (.., grant_type) if grant_type != "authorization_code" => Err(40002),
        _ => Ok(()),
    }
}

/// Whether this login is refused as busy.
fn take_busy(ctx: &Shared) -> bool {
    let left = &mut ctx.books().knobs.wechat_busy;
    let is_busy = *left > 0;
    *left = left.saturating_sub(1);
    is_busy
}

/// The person of a code, or the error that it names.
fn person(code: &str) -> Result<&str, i32> {
    let Some(rest) = code.strip_prefix(ONCE) else {
        return Ok(code);
    };
    if let Some(number) = rest.strip_prefix("error-") {
        let known = number
            .parse()
            .is_ok_and(|number: i32| ERRORS.iter().any(|(errcode, _)| *errcode == number));
        return Err(number.parse().ok().filter(|_| known).unwrap_or(40029));
    }
    let name = rest.split('-').next().unwrap_or_default();
    if name.is_empty() {
        Err(40029)
    } else {
        Ok(name)
    }
}

fn succeed(ctx: &Shared, code: &str, name: &str) -> Response {
    note(ctx, code, 0);
    let reply = serde_json::json!({
        "session_key": pseudonym::session_key(code),
        "openid": pseudonym::openid(name),
    });
    plain(reply.to_string())
}

fn fail(ctx: &Shared, code: &str, errcode: i32) -> Response {
    note(ctx, code, errcode);
    let text = ERRORS
        .iter()
        .find(|(known, _)| *known == errcode)
        .map_or("unknown", |(_, text)| text);
    let rid: [u32; 3] = rand::random();
    let errmsg = format!("{text}, rid: {:08x}-{:08x}-{:08x}", rid[0], rid[1], rid[2]);
    plain(serde_json::json!({"errcode": errcode, "errmsg": errmsg}).to_string())
}

fn note(ctx: &Shared, code: &str, errcode: i32) {
    ctx.books().logins.push(Login {
        code: code.to_owned(),
        at: Timestamp::now(),
        errcode,
    });
}

fn plain(body: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain")], body).into_response()
}
