//! Settings from systemd credentials (`LoadCredential=`), one file per setting.
//!
//! A file is named like its setting, e.g. `payjs.key` or `redis.url`. Other files in the directory are ignored.

use std::{fs, path::Path};

/// The variable that names the directory. systemd sets it for a service with credentials.
pub(super) const DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// The contents of the files by the name of the setting, and an error for each file that cannot be read.
pub(super) fn read(directory: Option<&Path>) -> (Vec<(String, String)>, Vec<String>) {
    let (mut settings, mut mistakes) = (Vec::new(), Vec::new());
    let Some(directory) = directory else {
        return (settings, mistakes);
    };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            mistakes.push(format!("{DIRECTORY}: cannot be read: {error}"));
            return (settings, mistakes);
        }
    };
    for entry in entries.flatten() {
        let Some(name) = entry
            .file_name()
            .into_string()
            .ok()
            .filter(|name| is_name(name))
        else {
            continue;
        };
        match fs::read_to_string(entry.path()) {
            Ok(text) => settings.push((name, text.trim_end_matches(['\r', '\n']).to_owned())),
            Err(error) => mistakes.push(format!("the credential {name}: cannot be read: {error}")),
        }
    }
    settings.sort();
    (settings, mistakes)
}

/// Whether the name of a file has the form of a setting: `section.key`.
fn is_name(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte == b'_' || byte.is_ascii_lowercase())
    };
    name.split_once('.')
        .is_some_and(|(section, key)| is_word(section) && key.split('.').all(is_word))
}
