//! Serves a sandbox until Ctrl-C.
#![expect(clippy::print_stdout, reason = "the caller reads the address there")]

use std::net::SocketAddr;

use anyhow::Context;
use clap::Parser;
use heyi_sandbox::{Options, Sandbox};
use secrecy::SecretString;
use tokio::net::TcpListener;
use url::Url;

/// Stand-ins for PayJS and WeChat, and a page to click through Heyi.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; port 0 takes any free one.
    #[arg(long, env = "HEYI_SANDBOX_LISTEN", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Heyi's api, for the demo page.
    #[arg(long, env = "HEYI_SANDBOX_API_URL")]
    api_url: Option<Url>,
    /// PayJS's merchant number.
    #[arg(long, env = "HEYI_SANDBOX_MCHID", default_value = "1600000001")]
    mchid: String,
    /// PayJS's key.
    #[arg(
        long,
        env = "HEYI_SANDBOX_KEY",
        default_value = "EXAMPLEKEY123456",
        hide_env_values = true
    )]
    key: SecretString,
    /// WeChat's id of the mini-program.
    #[arg(long, env = "HEYI_SANDBOX_APPID", default_value = "wx0000000000000000")]
    appid: String,
    /// WeChat's secret of the mini-program.
    #[arg(
        long,
        env = "HEYI_SANDBOX_SECRET",
        default_value = "sandbox-secret",
        hide_env_values = true
    )]
    secret: SecretString,
    /// The key with which the demo page signs its login.
    #[arg(
        long,
        env = "HEYI_SANDBOX_APP_KEY",
        default_value = "sandbox-app-key",
        hide_env_values = true
    )]
    app_key: SecretString,
    /// What the times between notifies (0, 15, 30, 180, 1800, 3600 s) are multiplied by, at most 1000.
    #[arg(long, env = "HEYI_SANDBOX_NOTIFY_FACTOR", default_value_t = 0.1)]
    notify_factor: f64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("can't listen on {}", arguments.listen))?;
    let sandbox = Sandbox::start(options(arguments), listener).await?;
    println!("{}", sandbox.url());
    tokio::signal::ctrl_c().await.context("no Ctrl-C")?;
    sandbox.stop().await;
    Ok(())
}

fn options(arguments: Arguments) -> Options {
    Options {
        mchid: arguments.mchid,
        key: arguments.key,
        appid: arguments.appid,
        secret: arguments.secret,
        api_url: arguments.api_url,
        app_key: arguments.app_key,
        notify_factor: arguments.notify_factor,
    }
}
