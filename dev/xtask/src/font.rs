//! `cargo xtask font`: makes the font of the posters anew, out of the whole one.

use std::process::ExitCode;

use anyhow::Result;

use crate::{checkout::Checkout, install};

/// Whose characters are chosen by a script beside it.
const PART: &str = "api/fonts/NotoSansSC-Medium.ttf";
const SCRIPT: &str = "api/fonts/subset.py";

/// Replaces the file in the repository; the same versions give the same bytes.
pub(crate) fn run(checkout: &Checkout) -> Result<ExitCode> {
    let (whole, mut python) = install::font(checkout)?;
    let part = checkout.path(PART);
    let status = python
        .arg(checkout.path(SCRIPT))
        .arg(whole)
        .arg(&part)
        .status()?;
    if !status.success() {
        return Ok(ExitCode::FAILURE);
    }
    println!("{PART}: {} bytes", part.metadata()?.len());
    Ok(ExitCode::SUCCESS)
}
