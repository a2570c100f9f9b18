//! `/login`: exchanges a code of `wx.login` for an openid and its signing key.

use axum::{Json, extract::State};
use heyi_common::{
    sign::{epoch, person_key},
    wechat::WeChatError,
};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    http::{
        client_ip::Client,
        error::Error,
        params::{Signature, SignedParams},
        success::Success,
    },
    owner::{CodeItem, codes_of},
    state::AppState,
};

/// The size limit of a code, in bytes.
const LONGEST_CODE: usize = 256;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Request {
    /// The code that `wx.login` gave.
    code: String,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Answer {
    Login(Success<Login>),
    Refusal(Refusal),
}

#[derive(Serialize, ToSchema)]
pub(super) struct Login {
    /// At most 50 of the person's codes, newest first.
    #[serde(rename = "userInfo")]
    user_info: Vec<CodeItem>,
    /// `before` of the next page, which `/reflash` answers; there is none on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// The person.
    openid: String,
    /// The key with which the person signs everything else, for one to two times `sign.epoch`.
    #[serde(rename = "signKey")]
    sign_key: String,
}

/// WeChat's own words, with its own number.
#[derive(Serialize, ToSchema)]
pub(super) struct Refusal {
    errcode: i64,
    errmsg: String,
}

/// Logs a person in. The request is signed with the app key.
///
/// When WeChat refuses the code, the answer is still 200 and carries WeChat's `errcode` and `errmsg`.
#[utoipa::path(
    method(get, post),
    path = "/login",
    params(Request, Signature),
    responses((status = 200, body = Answer))
)]
pub(super) async fn login(
    State(state): State<AppState>,
    Client(client): Client,
    SignedParams(Request { code }, signed): SignedParams<Request>,
) -> Result<Json<Answer>, Error> {
    let config = &state.config.sign;
    signed.by_app(&state.config)?;
    if code.len() > LONGEST_CODE {
        let advice = "code must be the code that wx.login gave".to_owned();
        return Err(Error::Invalid(advice));
    }
    state.budgets.login(client)?;
    let openid = match state
        .wechat
        .openid(&code, || state.budgets.login_again())
        .await
    {
        Ok(openid) => openid,
        Err(WeChatError::Refused { errcode, errmsg }) => {
            tracing::warn!(wechat.errcode = errcode, "WeChat refused a login");
            return Ok(Json(Answer::Refusal(Refusal { errcode, errmsg })));
        }
        Err(error) => return Err(Error::WeChat(error.into())),
    };
    let epoch = epoch(Timestamp::now().as_second(), config.epoch);
    let key = person_key(&config.session_secret, openid.as_str(), epoch);
    let codes = codes_of(&state, openid.as_str(), None).await?;
    let login = Login {
        user_info: codes.items,
        next: codes.next,
        openid: openid.into(),
        sign_key: key.expose_secret().to_owned(),
    };
    Ok(Json(Answer::Login(Success::new(login))))
}
