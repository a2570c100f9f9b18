//! A server certificate of an authority that no system knows, good until 2126. The authority's key is gone.
//!
//! The files lie in `sandbox/certificates`. Everybody has the server's key, so nobody else may trust that authority.

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

/// Arguments with which Redis speaks TLS on `port`, besides its port without TLS.
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

/// Arguments with which MongoDB speaks TLS to clients that want it. It wants key and certificate in one file, in `dir`.
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
