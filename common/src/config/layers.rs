//! Merges the configuration sources and collects all errors.
//!
//! A value or a line of a file may be a secret, so errors name only the key, or the file and the line. Types are
//! checked here because serde's message for a wrong type quotes the value, and toml's Display quotes the line.

use std::{ffi::OsString, fs, net::SocketAddr, path::Path};

use serde::{Deserialize, Deserializer};
use toml::{Table, Value};
use url::Url;

use super::{Config, ConfigErrors, DEFAULTS};
use crate::platform::Platform;

const PREFIX: &str = "HEYI_";
const FILE_SUFFIX: &str = "_FILE";

/// Merges the defaults, `file`, `credentials` and `environment`. Lists invalid values and leaves them at their default.
pub(super) fn merge(
    file: Option<&Path>,
    credentials: Vec<(String, String)>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<(Config, Vec<String>), ConfigErrors> {
    let defaults = defaults()?;
    let mut merged = defaults.clone();
    let mut mistakes = Vec::new();
    if let Some(path) = file {
        let path_text = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| {
            ConfigErrors(vec![format!(
                "HEYI_CONFIG: cannot read {path_text}: {error}"
            )])
        })?;
        overlay(&mut merged, parse(&path_text, &text)?, "", &mut mistakes);
    }
    for (name, value) in credentials {
        let path = name.replace('.', "__");
        // In an unknown section, it is the credential of another program.
        let is_ours = name
            .split_once('.')
            .is_some_and(|(section, _)| merged.contains_key(section));
        if is_ours && let Err(mistake) = set(&mut merged, &path, &value) {
            mistakes.push(format!("the credential {name}: {mistake}"));
        }
    }
    let mut variables: Vec<_> = environment.into_iter().collect();
    variables.sort();
    for (name, value) in variables {
        let Some(path) = path_of(&name) else {
            mistakes.extend(with_two(&name, &defaults));
            continue;
        };
        if let Err(mistake) = set(&mut merged, path, &value) {
            mistakes.push(format!("{name}: {mistake}"));
        }
    }
    let config = read(&defaults, merged, &mut mistakes)?;
    Ok((config, mistakes))
}

/// The variables of this process that may be settings, and an error for each setting that is not valid UTF-8.
pub(super) fn environment(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> (Vec<(String, String)>, Vec<String>) {
    let (mut settings, mut mistakes) = (Vec::new(), Vec::new());
    for (name, value) in variables {
        let Some(name) = name
            .into_string()
            .ok()
            .filter(|name| name.starts_with(PREFIX))
        else {
            continue;
        };
        match value.into_string() {
            Ok(value) => settings.push((name, value)),
            Err(_) => mistakes.push(format!("{name}: must be valid UTF-8")),
        }
    }
    (settings, mistakes)
}

/// `SECTION__KEY` of `HEYI_SECTION__KEY`.
fn path_of(name: &str) -> Option<&str> {
    let path = name.strip_prefix(PREFIX)?;
    path.contains("__").then_some(path)
}

/// The correction of a name like `HEYI_REDIS_URL`. Other programs' variables may start with our prefix.
fn with_two(name: &str, defaults: &Table) -> Option<String> {
    let (section, key) = name.strip_prefix(PREFIX)?.split_once('_')?;
    defaults
        .contains_key(&section.to_ascii_lowercase())
        .then(|| format!("{name}: is no setting; write {PREFIX}{section}__{key}"))
}

/// None for an empty text; anything else must be a URL.
pub(super) fn optional_url<'de, D: Deserializer<'de>>(text: D) -> Result<Option<Url>, D::Error> {
    let text = String::deserialize(text)?;
    if text.is_empty() {
        return Ok(None);
    }
    Url::parse(&text)
        .map(Some)
        .map_err(serde::de::Error::custom)
}

/// The base URL of an API, with or without its final slash.
pub(super) fn base_url<'de, D: Deserializer<'de>>(text: D) -> Result<Url, D::Error> {
    // The error of Url's own Deserialize quotes the text, which may contain a password.
    let text = String::deserialize(text)?;
    let mut url = Url::parse(&text).map_err(serde::de::Error::custom)?;
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// None for an empty text; anything else must be an address.
pub(super) fn optional_address<'de, D: Deserializer<'de>>(
    text: D,
) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(text)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// The defaults, with the patterns of all platforms.
pub(super) fn defaults() -> Result<Table, ConfigErrors> {
    let mut table = parse("the defaults", DEFAULTS)?;
    let payloads = table
        .get_mut("orders")
        .and_then(|orders| orders.get_mut("payloads"))
        .and_then(Value::as_table_mut)
        .ok_or_else(|| ConfigErrors(vec!["the defaults: no orders.payloads".to_owned()]))?;
    let list = |patterns: &[&str]| Value::Array(patterns.iter().map(|one| (*one).into()).collect());
    let mut other = Table::new();
    for platform in Platform::ALL {
        let row = platform.row();
        payloads.insert(row.key.to_owned(), list(row.patterns));
        other.insert(row.key.to_owned(), list(row.other_patterns));
    }
    payloads.insert("other".to_owned(), other.into());
    Ok(table)
}

fn parse(source: &str, text: &str) -> Result<Table, ConfigErrors> {
    text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().and_then(|span| text.get(..span.start));
        let line = line.map_or_else(String::new, |before| {
            format!(", line {}", before.matches('\n').count() + 1)
        });
        ConfigErrors(vec![format!(
            "{source}{line}: not TOML: {}",
            error.message()
        )])
    })
}

/// Merges `over` into `base`; a key that `base` lacks is an error.
fn overlay(base: &mut Table, over: Table, path: &str, mistakes: &mut Vec<String>) {
    for (key, value) in over {
        let name = format!("{path}{key}");
        match (base.get_mut(&key), value) {
            (None, _) => mistakes.push(format!("{name}: there is no such setting")),
            (Some(Value::Table(inner)), Value::Table(value)) => {
                overlay(inner, value, &format!("{name}."), mistakes);
            }
            (Some(slot), value) => {
                if let Err(mistake) = put(slot, value) {
                    mistakes.push(format!("{name}: {mistake}"));
                }
            }
        }
    }
}

/// Replaces a value by another of the same type. Trims blanks around a text: they come from copying, and a key with one
/// verifies nothing.
fn put(slot: &mut Value, mut value: Value) -> Result<(), String> {
    if !slot.same_type(&value) {
        return Err(format!("must be {}, not {}", kind(slot), kind(&value)));
    }
    if let Value::String(text) = &mut value {
        *text = text.trim().to_owned();
    }
    *slot = value;
    Ok(())
}

/// The type of a value.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string in quotes",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a float",
        Value::Boolean(_) => "a boolean",
        Value::Datetime(_) => "a date or time",
        Value::Array(_) => "an array",
        Value::Table(_) => "a table",
    }
}

/// Sets one value from the environment: `SECTION__KEY`, or `SECTION__KEY_FILE` for a file that holds it.
fn set(base: &mut Table, path: &str, value: &str) -> Result<(), String> {
    let lower = path.to_ascii_lowercase();
    if let Some(slot) = slot(base, &lower) {
        return assign(slot, value);
    }
    if let Some(slot) = path
        .strip_suffix(FILE_SUFFIX)
        .and_then(|path| slot_named(base, path))
    {
        // The path is not quoted either: it may be the secret itself by mistake.
        let text = fs::read_to_string(value)
            .map_err(|error| format!("cannot read the file that it names: {error}"))?;
        return assign(slot, &text);
    }
    Err("there is no such setting".to_owned())
}

fn slot_named<'a>(base: &'a mut Table, path: &str) -> Option<&'a mut Value> {
    slot(base, &path.to_ascii_lowercase())
}

fn slot<'a>(base: &'a mut Table, path: &str) -> Option<&'a mut Value> {
    let (section, rest) = path.split_once("__")?;
    let mut slot = base.get_mut(section)?;
    for key in rest.split("__") {
        slot = slot.as_table_mut()?.get_mut(key)?;
    }
    Some(slot)
}

/// Assigns a text as it is; parses everything else as TOML.
fn assign(slot: &mut Value, text: &str) -> Result<(), String> {
    if slot.is_str() {
        return put(slot, Value::String(text.to_owned()));
    }
    let mut line: Table = format!("value = {text}")
        .parse()
        .map_err(|_| "write the value as in TOML, e.g. true, 20 or [990, 1990]".to_owned())?;
    put(slot, line.remove("value").ok_or("the value is missing")?)
}

/// Decodes the merged tables. Lists each invalid value, resets it to its default, and decodes again, so that one run
/// reports every error.
fn read(
    defaults: &Table,
    mut merged: Table,
    mistakes: &mut Vec<String>,
) -> Result<Config, ConfigErrors> {
    loop {
        match serde_path_to_error::deserialize(merged.clone()) {
            Ok(config) => return Ok(config),
            Err(error) => {
                let path: Vec<String> = error
                    .path()
                    .to_string()
                    .split('.')
                    .map(str::to_owned)
                    .collect();
                let message = without_quotes(error.inner().message(), &merged, &path);
                mistakes.push(format!("{}: {message}", error.path()));
                if !reset(defaults, &mut merged, &path) {
                    return Err(ConfigErrors(std::mem::take(mistakes)));
                }
            }
        }
    }
}

/// `message` without the text at `path`: a secret may have been written into the wrong setting.
fn without_quotes(message: &str, merged: &Table, path: &[String]) -> String {
    let keys = path.iter().map(|key| key.split('[').next().unwrap_or(key));
    let mut value = None;
    for key in keys {
        let table = value.map_or(Some(merged), Value::as_table);
        value = table.and_then(|table| table.get(key)).or(value);
    }
    let mut texts = Vec::new();
    if let Some(value) = value {
        collect(value, &mut texts);
    }
    texts.into_iter().fold(message.to_owned(), |message, text| {
        // serde quotes values, and names of variants.
        message
            .replace(&format!("{text:?}"), "…")
            .replace(&format!("`{text}`"), "…")
    })
}

/// The texts in a value.
fn collect<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
        Value::Table(table) => table.values().for_each(|value| collect(value, texts)),
        _ => {}
    }
}

/// Resets the value at `path` to its default; false if that changes nothing.
fn reset(defaults: &Table, merged: &mut Table, path: &[String]) -> bool {
    let [key, rest @ ..] = path else { return false };
    let key = key.split('[').next().unwrap_or(key);
    match (defaults.get(key), merged.get_mut(key)) {
        (Some(Value::Table(defaults)), Some(Value::Table(merged))) if !rest.is_empty() => {
            reset(defaults, merged, rest)
        }
        (Some(default), Some(slot)) if slot != default => {
            *slot = default.clone();
            true
        }
        _ => false,
    }
}
