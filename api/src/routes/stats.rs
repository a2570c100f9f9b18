//! `/stats`: how often a code was scanned.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use heyi_common::scans::DayScans;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    http::{
        error::Error,
        params::{Params, Signature},
    },
    owner::signers_code,
    state::AppState,
};

const DAYS: std::ops::RangeInclusive<u16> = 1..=90;
const DEFAULT_DAYS: u16 = 30;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Request {
    /// The code's id.
    id: String,
    /// How many days, today included.
    #[param(value_type = Option<i32>, minimum = 1, maximum = 90, default = 30)]
    days: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Stats {
    /// All scans of these days.
    total: u64,
    /// The days on which it was scanned, newest first.
    days: Vec<StatsOfDay>,
    errcode: u16,
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
    responses((status = 200, body = Stats))
)]
pub(super) async fn stats(
    State(state): State<AppState>,
    params: Params,
) -> Result<Json<Stats>, Error> {
    let (Request { id, days }, signed) = params.read_signed(&state.config.sign)?;
    let days = number_of_days(days.as_deref())?;
    let code = signers_code(&state, &signed, &id).await?;
    if code.state.deleted_at.is_some() {
        return Err(Error::OwnGone);
    }
    let scans = state.scans.of(&state.store, code.id, days).await?;
    let days: Vec<StatsOfDay> = scans.into_iter().map(day).collect();
    Ok(Json(Stats {
        total: days.iter().map(|day| day.total).sum(),
        days,
        errcode: 200,
    }))
}

fn number_of_days(text: Option<&str>) -> Result<u16, Error> {
    let days = text.map_or(Some(DEFAULT_DAYS), |text| text.parse().ok());
    days.filter(|days| DAYS.contains(days))
        .ok_or_else(|| Error::Invalid("days must be from 1 to 90".to_owned()))
}

fn day(scans: DayScans) -> StatsOfDay {
    StatsOfDay {
        day: scans.day.to_string(),
        total: scans.platforms.values().sum(),
        platforms: scans.platforms,
    }
}
