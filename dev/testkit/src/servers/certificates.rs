//! A server certificate of a private authority, valid until 2126. The authority's key was deleted.
//!
//! The files are in `dev/testkit/certificates`. The server's key is public: trust this authority in tests only.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/certificates");

/// The certificate of the authority, for clients.
pub fn authority() -> PathBuf {
    Path::new(DIR).join("authority.pem")
}

/// Arguments with which Redis serves TLS on `port`, in addition to its plain port.
pub fn for_redis(port: u16) -> Vec<String> {
    let file = |name: &str| format!("{DIR}/{name}");
    vec![
        "--tls-port".to_owned(),
        port.to_string(),
        "--tls-cert-file".to_owned(),
        file("server.pem"),
        "--tls-key-file".to_owned(),
        file("server.key"),
        "--tls-ca-cert-file".to_owned(),
        file("authority.pem"),
        "--tls-auth-clients".to_owned(),
        "no".to_owned(),
    ]
}

/// Arguments with which MongoDB accepts TLS. It needs key and certificate in one file, in `dir`.
pub fn for_mongo(dir: &Path) -> Result<Vec<String>> {
    let both = dir.join("server-with-key.pem");
    let read = |name: &str| fs::read_to_string(format!("{DIR}/{name}"));
    fs::write(&both, read("server.key")? + &read("server.pem")?)?;
    Ok(vec![
        "--tlsMode".to_owned(),
        "preferTLS".to_owned(),
        "--tlsCertificateKeyFile".to_owned(),
        both.display().to_string(),
        "--tlsCAFile".to_owned(),
        authority().display().to_string(),
        "--tlsAllowConnectionsWithoutCertificates".to_owned(),
    ])
}
