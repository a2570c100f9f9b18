//! Error messages about wrong secrets.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    process::{Command, Output},
};

use anyhow::Result;
use heyi_testkit::world::binary;

/// Starts a program with nothing but these settings, which it must refuse.
fn refused(program: &str, settings: &[(&str, &OsStr)]) -> Result<String> {
    let mut command = Command::new(binary(program)?);
    command.env_clear().envs(settings.iter().copied());
    let Output {
        status,
        stdout,
        stderr,
    } = command.output()?;
    assert!(!status.success(), "{program} accepted {settings:?}");
    Ok([stdout, stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat())
}

#[test]
fn no_process_prints_a_secret_that_is_set_wrongly() -> Result<()> {
    let dir = tempfile::tempdir()?;
    for (file, words) in [
        ("[payjs]\nkey = 8675309\n", "payjs.key: "),
        ("[payjs]\nkey = Hush8675309\n", "heyi.toml, line 2: "),
        ("[sign]\nsession_secret = 'Hush\n", "heyi.toml, line 2: "),
        ("payjs = 'Hush8675309'\n", "payjs: "),
        ("[redis]\nurl = 'http://u:Hush@host'\n", "redis.url: "),
        ("[mongo]\nurl = 'mongodb://u:Hush/@host'\n", "mongo.url: "),
    ] {
        let path = dir.path().join("heyi.toml");
        std::fs::write(&path, file)?;
        for program in ["heyi-api", "heyi-worker"] {
            let printed = refused(program, &[("HEYI_CONFIG", path.as_os_str())])?;
            assert!(printed.contains(words), "{file}{printed}");
            assert!(!printed.contains("8675309"), "{file}{printed}");
            assert!(!printed.contains("Hush"), "{file}{printed}");
        }
    }
    Ok(())
}

#[test]
fn a_piece_of_a_password_is_not_taken_for_a_host() -> Result<()> {
    for (name, key, url) in [
        (
            "HEYI_MONGO__URL",
            "mongo.url",
            "mongodb://u:p@Hush@host/?replicaSet=rs0",
        ),
        (
            "HEYI_MONGO__URL",
            "mongo.url",
            "mongodb+srv://u:p@Hush@host/",
        ),
        (
            "HEYI_MONGO__URL",
            "mongo.url",
            "mongodb://u:27017/Hush@host/",
        ),
        (
            "HEYI_MONGO__URL",
            "mongo.url",
            "mongodb://u:27017?Hush@host/",
        ),
        ("HEYI_REDIS__URL", "redis.url", "redis://u:p@Hush@host/0"),
        ("HEYI_REDIS__URL", "redis.url", "redis://u:6379/Hush@host/0"),
        (
            "HEYI_REDIS__URL",
            "redis.url",
            "redis+sentinel://u:p@Hush@a:1,b:2/name",
        ),
    ] {
        for program in ["heyi-api", "heyi-worker"] {
            let printed = refused(program, &[(name, OsStr::new(url))])?;
            assert!(
                printed.contains(&format!("{key}: user and password")),
                "{url}: {printed}"
            );
            assert!(!printed.contains("Hush"), "{url}: {printed}");
        }
    }
    Ok(())
}

#[test]
fn a_foreign_variable_that_is_not_utf_8_does_not_matter() -> Result<()> {
    let bad = OsStr::from_bytes(b"Hush\xff");
    for program in ["heyi-api", "heyi-worker"] {
        for name in [
            "FOREIGN",
            "PATH",
            "HOME",
            "LANG",
            "HTTP_PROXY",
            "RUST_LOG",
            "SSL_CERT_FILE",
        ] {
            let printed = refused(program, &[(name, bad)])?;
            assert!(printed.contains("payjs.mchid: "), "{name}: {printed}");
            assert!(!printed.contains("panicked"), "{name}: {printed}");
        }
        let printed = refused(program, &[("HEYI_CONFIG", bad)])?;
        assert!(printed.contains("HEYI_CONFIG: cannot read"), "{printed}");
    }
    Ok(())
}

#[test]
fn a_secret_that_is_not_utf_8_is_not_printed_either() -> Result<()> {
    for program in ["heyi-api", "heyi-worker"] {
        let secret = OsStr::from_bytes(b"Hush\xff");
        let printed = refused(program, &[("HEYI_PAYJS__KEY", secret)])?;
        assert!(printed.contains("HEYI_PAYJS__KEY: "), "{printed}");
        assert!(!printed.contains("Hush"), "{printed}");
    }
    Ok(())
}
