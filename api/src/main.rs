//! `heyi-api` serves; `heyi-api healthcheck` asks a running one whether it is ready.

use anyhow::bail;
use heyi_common::{
    config::{Config, Process},
    healthcheck, shutdown, telemetry,
};

/// Handlers free what other threads allocated; glibc takes a lock for each such piece.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Requests have threads of their own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let config = Config::load(Process::Api)?;
    match std::env::args().nth(1).as_deref() {
        None => {
            telemetry::start(&config.log)?;
            heyi_api::serve(config, shutdown::on_signal()?).await
        }
        Some("healthcheck") => match config.http.monitor {
            Some(monitor) => healthcheck::check(monitor, "/readyz").await,
            None => healthcheck::check(config.http.listen, "/healthz").await,
        },
        Some(other) => {
            bail!("there is no command {other:?}: say `heyi-api` or `heyi-api healthcheck`")
        }
    }
}
