//! `/report`: whoever saw a code reports it to the operator.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, State},
    http::HeaderMap,
};
use heyi_common::{
    scans::today,
    store::{Reason, Recorded, Report, Reporter},
};
use mongodb::bson::oid::ObjectId;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    address::{self, network},
    codes::Shown,
    error::Error,
    language::Language,
    pages::{Page, ReportPage},
    params::Params,
    state::AppState,
};

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "for the document: a missing id is answered like an unknown one"
)]
pub(super) struct FormRequest {
    /// The code's id.
    id: String,
}

/// Shows the form of a report.
#[utoipa::path(
    get,
    path = "/report",
    params(FormRequest),
    responses((status = 200, body = String, content_type = "text/html"))
)]
pub(super) async fn report_form(
    State(state): State<AppState>,
    headers: HeaderMap,
    params: Params,
) -> Result<Page, Error> {
    let (id, code) = state
        .codes
        .shown(&state.store, params.get("id").unwrap_or_default())
        .await?;
    page(&state, id, &code, false, &headers)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Request {
    /// The code's id.
    id: String,
    /// What is wrong: `fraud`, `impostor`, `swapped` or `other`.
    reason: String,
    /// What happened: at most 500 characters.
    #[serde(default)]
    #[param(value_type = Option<String>, max_length = 500)]
    text: String,
    /// How to reach who reports: at most 100 characters.
    #[serde(default)]
    #[param(value_type = Option<String>, max_length = 100)]
    contact: String,
}

/// Records a report of abuse.
#[utoipa::path(
    post,
    path = "/report",
    params(Request),
    responses((status = 200, body = String, content_type = "text/html"))
)]
pub(super) async fn report(
    State(state): State<AppState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    params: Params,
) -> Result<Page, Error> {
    let request: Request = params.read()?;
    let (id, code) = state.codes.shown(&state.store, &request.id).await?;
    let reason = reason(&request.reason)?;
    let client = address::client(peer.ip(), &headers, &state.config.http.trusted_proxies);
    let secret = &state.config.sign.session_secret;
    let reporter = Reporter::new(secret, id, today(), network(client));
    let report = Report::new(reporter, id, reason, &request.text, &request.contact)
        .map_err(|error| Error::Invalid(error.to_string()))?;
    let recorded = state.store.record_report(&report).await?;
    metrics::counter!("heyi_reports_total", "outcome" => recorded.name()).increment(1);
    if recorded != Recorded::Repeated
        && let Some(left_out) = state.reports.admit()
    {
        tracing::warn!(
            code.id = %id,
            report.reason = reason.name(),
            report.is_stored = recorded == Recorded::Kept,
            left_out,
            "code reported"
        );
    }
    page(&state, id, &code, true, &headers)
}

fn page(
    state: &AppState,
    id: ObjectId,
    code: &Shown,
    is_sent: bool,
    headers: &HeaderMap,
) -> Result<Page, Error> {
    let page = ReportPage {
        id: &id.to_hex(),
        name: &code.name(),
        is_sent,
    };
    let language = Language::of(headers);
    state.pages.report(&page, language).map_err(Error::Internal)
}

fn reason(name: &str) -> Result<Reason, Error> {
    let mut all = Reason::ALL.into_iter();
    all.find(|reason| reason.name() == name).ok_or_else(|| {
        Error::Invalid("reason must be fraud, impostor, swapped or other".to_owned())
    })
}
