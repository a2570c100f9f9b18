//! The client's list of platforms, which is generated from the table in `common/src/platform.rs`.

use std::{env, fs, path::PathBuf};

use anyhow::{Context as _, Result};
use heyi_common::platform::{Platform, Row};

fn client(file: &str) -> PathBuf {
    let client = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../client/miniprogram");
    client.join(file)
}

/// Those that are offered without a setting.
fn offered() -> impl Iterator<Item = &'static Row> {
    let rows = Platform::ALL.into_iter().map(Platform::row);
    rows.filter(|row| !row.patterns.is_empty())
}

/// Compares a generated file, or writes it with `INSTA_UPDATE=always`.
fn check(file: &str, generated: &str) -> Result<()> {
    let path = client(file);
    let is_update = env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always");
    if is_update {
        fs::write(&path, generated).with_context(|| format!("write {}", path.display()))?;
    }
    let found = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    assert_eq!(
        found, generated,
        "{file} is not that of the table: run the test with INSTA_UPDATE=always"
    );
    Ok(())
}

#[test]
fn the_clients_list_is_that_of_the_table() -> Result<()> {
    let rows = offered().map(|row| {
        let Row {
            key,
            chinese,
            english,
            ..
        } = row;
        format!("  {{ platform: \"{key}\", zh: \"{chinese}\", en: \"{english}\" }},\n")
    });
    let list = format!(
        "\"use strict\";\n\n// Generated from common/src/platform.rs. The platforms that are offered, in the order in which they are shown.\n\
         module.exports = [\n{}];\n",
        rows.collect::<String>()
    );
    check("platforms.js", &list)
}

#[test]
fn the_clients_type_is_that_of_the_table() -> Result<()> {
    let all = Platform::ALL
        .map(|platform| format!("\"{platform}\""))
        .join(" | ");
    let types = fs::read_to_string(client("heyi.d.ts"))?;
    let start = "export type Platform = ";
    let line = types.lines().find(|line| line.starts_with(start));
    let line = line.context("no type Platform")?;
    let generated = types.replace(line, &format!("{start}{all};"));
    check("heyi.d.ts", &generated)
}
