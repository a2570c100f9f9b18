//! The HTTP client for calls to the outside.

use std::time::Duration;

use anyhow::Context;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(8);

/// A client with timeouts. It follows no redirects, so that nothing signed goes to another host.
pub fn client() -> anyhow::Result<reqwest::Client> {
    install_tls();
    reqwest::Client::builder()
        .user_agent(concat!("heyi/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("set up the HTTP client")
}

/// Installs ring as the cryptography of all TLS connections of this process.
pub(crate) fn install_tls() {
    // An error means that it is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
