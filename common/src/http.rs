//! The one HTTP client for the outside world.

use std::time::Duration;

use anyhow::Context;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(8);

/// A client with timeouts that follows no redirects, so that nothing signed goes to another host.
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

/// Makes ring the cryptography of every TLS connection of this process.
pub(crate) fn install_tls() {
    // An error means that it was installed before, which is what we want.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
