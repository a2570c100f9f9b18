//! `/stats`: how often a code was scanned.

use std::collections::BTreeMap;

use axum::extract::State;
use heyi_common::scans::DayScans;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    http::{
        error::Error,
        params::{Signature, SignedParams, Within},
        success::Success,
    },
    owner::signers_code,
    state::AppState,
};

type Days = Within<u16, 1, 90, 30>;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Request {
    /// The code's id.
    id: String,
    /// How many days, today included.
    #[serde(default)]
    #[param(inline)]
    days: Days,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Stats {
    /// All scans of these days.
    total: u64,
    /// The days on which it was scanned, newest first.
    days: Vec<StatsOfDay>,
}

#[derive(Serialize, ToSchema)]
struct StatsOfDay {
    /// The day in China's time, e.g. `2026-11-22`.
    day: String,
    /// All scans of the day.
    total: u64,
    /// Scans by the platform whose app it was; `other` for other apps and browsers.
    platforms: BTreeMap<String, u64>,
}

/// Counts the scans of a code of the signer, by platform and day.
#[utoipa::path(
    method(get, post),
    path = "/stats",
    params(Request, Signature),
    responses((status = 200, body = Success<Stats>))
)]
pub(super) async fn stats(
    State(state): State<AppState>,
    SignedParams(Request { id, days }, signed): SignedParams<Request>,
) -> Result<Success<Stats>, Error> {
    let code = signers_code(&state, &signed, &id).await?;
    if code.state.deleted_at.is_some() {
        return Err(Error::OwnGone);
    }
    let scans = state.scans.of(&state.store, code.id, days.0).await?;
    let days: Vec<StatsOfDay> = scans.into_iter().map(day).collect();
    Ok(Success::new(Stats {
        total: days.iter().map(|day| day.total).sum(),
        days,
    }))
}

fn day(scans: DayScans) -> StatsOfDay {
    StatsOfDay {
        day: scans.day.to_string(),
        total: scans.platforms.values().sum(),
        platforms: scans.platforms,
    }
}
