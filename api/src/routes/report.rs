//! `/report`: payers report a code to the operator.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, State},
    http::HeaderMap,
    response::Redirect,
};
use heyi_common::{
    scans::today,
    store::{Reason, Recorded, Report, ReportContact, ReportText, Reporter},
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    http::{
        client_ip::{self, network},
        error::Error,
        language::Language,
        params::{PageParams, Params},
    },
    meters,
    pages::{Page, ReportPage},
    state::AppState,
};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FormRequest {
    /// The code's id.
    #[serde(default)]
    #[param(required)]
    id: String,
    /// `1`: the thanks for a report that was sent, instead of the form.
    sent: Option<String>,
}

/// Shows the form of a report, or thanks for one.
#[utoipa::path(
    get,
    path = "/report",
    params(FormRequest),
    responses((status = 200, body = String, content_type = "text/html"))
)]
pub(super) async fn report_form(
    State(state): State<AppState>,
    headers: HeaderMap,
    PageParams(request): PageParams<FormRequest>,
) -> Result<Page, Error> {
    let (id, code) = state.codes.shown(&state.store, given(&request.id)?).await?;
    let page = ReportPage {
        id: &id.to_hex(),
        name: &code.content().name,
        is_sent: request.sent.as_deref() == Some("1"),
    };
    let language = Language::of(&headers);
    state.pages.report(&page, language).map_err(Error::Internal)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Request {
    /// The code's id.
    #[serde(default)]
    #[param(required)]
    id: String,
    /// What is wrong.
    #[param(inline)]
    reason: Reason,
    /// What happened.
    #[serde(default)]
    #[param(inline)]
    text: ReportText,
    /// How to reach who reports.
    #[serde(default)]
    #[param(inline)]
    contact: ReportContact,
}

/// Records a report of abuse.
///
/// The thanks are a page of their own, so that reloading it reports nothing again.
#[utoipa::path(
    post,
    path = "/report",
    params(Request),
    responses((status = 303, description = "Recorded; to the thanks"))
)]
pub(super) async fn report(
    State(state): State<AppState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Params(request): Params<Request>,
) -> Result<Redirect, Error> {
    let (id, _) = state.codes.shown(&state.store, given(&request.id)?).await?;
    let reason = request.reason;
    let client = client_ip::client(peer.ip(), &headers, &state.config.http.trusted_proxies);
    let secret = &state.config.sign.session_secret;
    let reporter = Reporter::new(secret, id, today(), network(client));
    let report = Report::new(reporter, id, reason, request.text, request.contact);
    // In a task, so that a disconnecting client cannot interrupt it between steps.
    let store = state.store.clone();
    let recorded = tokio::spawn(async move { store.record_report(&report).await });
    let recorded = recorded
        .await
        .map_err(|error| Error::Internal(error.into()))??;
    metrics::counter!(meters::REPORTS, "outcome" => recorded.name()).increment(1);
    if recorded != Recorded::Repeated {
        tracing::warn!(
            code.id = %id,
            report.reason = reason.name(),
            report.is_stored = recorded == Recorded::Kept,
            "code reported"
        );
    }
    // Relative, because `http.public_url` may contain a path.
    Ok(Redirect::to(&format!("report?id={id}&sent=1")))
}

fn given(id: &str) -> Result<&str, Error> {
    if id.is_empty() {
        let advice = "id is missing: report a code from the link on its page".to_owned();
        return Err(Error::Invalid(advice));
    }
    Ok(id)
}
