//! No error quotes a secret.

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};

use super::*;

/// Every secret, with an environment variable that sets it.
const SECRETS: [(&str, &str); 8] = [
    ("redis", "url"),
    ("redis", "sentinel_password"),
    ("mongo", "url"),
    ("payjs", "key"),
    ("wechat", "secret"),
    ("sign", "app_key"),
    ("sign", "session_secret"),
    ("sign", "previous_session_secret"),
];

/// Parts of the values below.
const HUSH: [&str; 3] = ["Hush", "8675309", "2031"];

/// Loads a file and variables in addition to the complete settings, and returns the printed errors.
fn refused(file: &str, variables: &[(&str, &str)]) -> String {
    let mut settings = tempfile::NamedTempFile::new().unwrap();
    write!(settings, "{file}").unwrap();
    let variables = variables.iter();
    let variables = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let path = settings.path().to_str();
    let loaded = Config::from_sources(Process::Api, path, complete().into_iter().chain(variables));
    let Err(mistakes) = loaded else {
        panic!("accepted: {file}");
    };
    mistakes.to_string()
}

fn assert_not_quoted(message: &str, what: &str) {
    for part in HUSH {
        assert!(!message.contains(part), "{what}\n{message}");
    }
}

#[test]
fn every_secret_is_in_the_list() {
    let source = include_str!("../../config.rs");
    assert_eq!(source.matches(": SecretString,").count(), SECRETS.len());
}

#[test]
fn a_value_of_the_wrong_type_is_named_by_its_key_and_type() {
    for (section, key) in SECRETS {
        for (value, words) in [
            ("8675309", "not an integer"),
            ("8675309.5", "not a float"),
            ("true", "not a boolean"),
            ("2031-01-02", "not a date or time"),
            ("['Hush']", "not an array"),
            ("{ Hush = 'Hush' }", "not a table"),
        ] {
            let file = format!("[{section}]\n{key} = {value}\n");
            let message = refused(&file, &[]);
            let expected = format!("{section}.{key}: must be a string in quotes, {words}");
            assert!(message.contains(&expected), "{file}{message}");
            assert_not_quoted(&message, &file);
        }
        for file in [
            format!("{section} = 'Hush'\n"),
            format!("{section} = 8675309\n"),
            format!("[[{section}]]\n{key} = 'Hush'\n"),
        ] {
            let message = refused(&file, &[]);
            let expected = format!("{section}: must be a table, not ");
            assert!(message.contains(&expected), "{file}{message}");
            assert_not_quoted(&message, &file);
        }
        let file = format!("[{section}.{key}]\nvalue = 'Hush'\n");
        assert_not_quoted(&refused(&file, &[]), &file);
    }
}

#[test]
fn a_syntax_error_is_named_by_file_and_line() {
    for (section, key) in SECRETS {
        for value in [
            "Hush",
            "Hush:8675309@host/0",
            "8675309Hush",
            "'Hush",
            "\"Hush",
            "'''Hush",
            "'x' Hush",
            "'x' 'Hush'",
            "\"Hush\\q\"",
            "\"Hush\u{7}\"",
            "['Hush'",
            "{ Hush = 'Hush'",
            "'x'\nHush",
            "'x'\n[Hush",
        ] {
            let file = format!("# The first line.\n[{section}]\n{key} = {value}\n");
            let message = refused(&file, &[]);
            assert!(message.contains(", line "), "{file}{message}");
            assert!(message.contains("not TOML: "), "{file}{message}");
            assert_not_quoted(&message, &file);
        }
        for file in [
            format!("[{section}]\n{key}: Hush\n"),
            format!("[{section}]\n{key} 'Hush'\n"),
            format!("[{section}]\n{key} = 'x'\n{key} = 'Hush'\n"),
            format!("{section} = 'Hush'\n[{section}]\n{key} = 'Hush'\n"),
        ] {
            let message = refused(&file, &[]);
            assert!(message.contains(", line "), "{file}{message}");
            assert_not_quoted(&message, &file);
        }
    }
    let message = refused("[payjs]\nmchid = '1'\nkey = Hush\n", &[]);
    assert!(message.contains(", line 3: not TOML: "), "{message}");
}

#[test]
fn a_variable_that_cannot_be_used_is_named_only() {
    let mut not_text = tempfile::NamedTempFile::new().unwrap();
    not_text.write_all(b"Hush\xff").unwrap();
    let path = not_text.path().to_str().unwrap();
    for (section, key) in SECRETS {
        let name = format!("HEYI_{section}__{key}").to_ascii_uppercase();
        for (name, value) in [
            // The secret in the place of the path of its file.
            (format!("{name}_FILE"), "Hush"),
            (format!("{name}_FILE"), "/Hush/8675309"),
            (format!("{name}_FILE"), path),
            (format!("{name}__HERE"), "Hush"),
            (format!("{name}S"), "Hush"),
        ] {
            let message = refused("", &[(&name, value)]);
            assert!(message.contains(&format!("{name}: ")), "{message}");
            assert_not_quoted(&message, &name);
        }
    }
    let hush = OsString::from_vec(b"Hush\xff".to_vec());
    let variables = ["HEYI_PAYJS__KEY", "HOME"].map(|name| (name.into(), hush.clone()));
    let (settings, mistakes) = layers::environment(variables);
    assert_eq!(settings, []);
    assert_eq!(mistakes, ["HEYI_PAYJS__KEY: must be valid UTF-8"]);
}

#[test]
fn an_address_that_cannot_be_used_is_not_quoted() {
    for (key, name, url) in [
        ("redis.url", "HEYI_REDIS__URL", "Hush"),
        ("redis.url", "HEYI_REDIS__URL", "http://user:Hush@host"),
        ("redis.url", "HEYI_REDIS__URL", "redis://user:Hush/x@host/0"),
        (
            "redis.url",
            "HEYI_REDIS__URL",
            "redis://user:Hush@host/Hush",
        ),
        ("redis.url", "HEYI_REDIS__URL", "redis+sentinel://:Hush@a:1"),
        (
            "redis.url",
            "HEYI_REDIS__URL",
            "redis+cluster://:Hush@a:1/2",
        ),
        ("mongo.url", "HEYI_MONGO__URL", "Hush"),
        ("mongo.url", "HEYI_MONGO__URL", "Hush://user:Hush@host"),
        ("mongo.url", "HEYI_MONGO__URL", "mongodb://user:Hush/x@host"),
        ("mongo.url", "HEYI_MONGO__URL", "mongodb://user:Hush@x@host"),
        ("mongo.url", "HEYI_MONGO__URL", "mongodb://user:Hush%@host"),
        ("mongo.url", "HEYI_MONGO__URL", "mongodb://user:Hush@host:x"),
        ("mongo.url", "HEYI_MONGO__URL", "mongodb://user:Hush@"),
    ] {
        let message = refused("", &[(name, url)]);
        assert!(message.contains(key), "{url}: {message}");
        assert_not_quoted(&message, url);
    }
}

#[test]
fn a_variable_replaces_a_value_of_the_wrong_type() {
    let file = "[payjs]\nkey = 8675309\n";
    let message = refused(file, &[("HEYI_PAYJS__KEY", "Hush")]);
    assert!(message.contains("1 mistake(s)"), "{message}");
}
