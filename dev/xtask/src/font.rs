//! `cargo xtask font`: rebuilds the font of the posters from the whole font.

use std::process::ExitCode;

use anyhow::Result;

use crate::{checkout::Checkout, install};

/// The font of the posters. The script in its directory chooses the characters.
const PART: &str = "api/fonts/NotoSansSC-Medium.ttf";
const SCRIPT: &str = "api/fonts/subset.py";

/// Replaces the file in the repository. The same versions give the same bytes.
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
