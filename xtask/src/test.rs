//! `cargo xtask test`: everything that must hold.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use heyi_sandbox::servers::Server;

use self::{counted::Count, steps::Steps};
use crate::{chaos, checkout::Checkout, install};

mod advisories;
mod counted;
mod scratch;
mod steps;
mod strangers;

const TEST_THREADS: &str = "8";

/// What can be chosen about `test`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run only schemathesis, on what was built last.
    #[arg(long)]
    strangers: bool,
    /// Run only the tests, with these arguments for `cargo test`.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Runs the checks in order up to the first that fails. The last line of output counts the tests.
pub(crate) async fn run(checkout: &Checkout, options: &Options) -> Result<ExitCode> {
    let mut steps = Steps::default();
    let mut count = Count::default();
    let outcome = if options.strangers {
        strangers::check(checkout, &mut steps).await
    } else if options.arguments.is_empty() {
        everything(checkout, &mut steps, &mut count).await
    } else {
        tests(checkout, &options.arguments, &mut steps, &mut count).await
    };
    steps.summarize();
    if let Err(failure) = &outcome {
        println!("\nfailed: {failure:#}");
    }
    println!("\n{} passed, {} failed", count.passed, count.failed);
    Ok(if outcome.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn everything(checkout: &Checkout, steps: &mut Steps, count: &mut Count) -> Result<()> {
    let before = generated(checkout)?;
    let cargo = |line: &str| {
        let mut cargo = checkout.command("cargo");
        cargo.args(line.split(' '));
        cargo
    };
    steps.run("fetch", || succeed(&mut cargo("fetch --locked")))?;
    steps.run("fmt", || succeed(&mut cargo("fmt --all --check")))?;
    steps.run("install make", install::make)?;
    steps.run("clippy", || {
        succeed(&mut cargo(
            "clippy --workspace --all-targets --locked -- -D warnings",
        ))
    })?;
    tests(checkout, &["--workspace".to_owned()], steps, count).await?;
    strangers::check(checkout, steps).await?;
    steps.run("chaos", || chaos::run_short(checkout))?;
    steps.run("doc", || {
        let mut doc = cargo("doc --no-deps --workspace --locked");
        succeed(doc.env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    steps.run("install checkers", || install::checkers(checkout))?;
    steps.run("deny", || {
        succeed(&mut cargo("deny --offline check bans licenses sources"))
    })?;
    advisories::check(checkout, steps).await?;
    steps.run("shear", || succeed(&mut cargo("shear")))?;
    steps.run("generated files", || {
        ensure!(
            generated(checkout)? == before,
            "the run changed files under version control; see `git diff`, and commit what is right"
        );
        Ok(())
    })
}

async fn tests(
    checkout: &Checkout,
    arguments: &[String],
    steps: &mut Steps,
    count: &mut Count,
) -> Result<()> {
    steps.run("install", || {
        install::redis(checkout)?;
        install::mongod(checkout)?;
        install::browser()?;
        install::node()?;
        install::axe(checkout)
    })?;
    // Tests of crashes start, kill and count on the real programs.
    steps.run("build", || {
        succeed(
            checkout
                .command("cargo")
                .args(["build", "--workspace", "--bins", "--locked"]),
        )
    })?;
    let dir = scratch::dir()?;
    let mut redis = Server::redis(&dir.path().join("redis"), None).await?;
    let mut mongo = Server::mongo(&dir.path().join("mongodb"), None).await?;
    let tested = steps.run("test", || {
        let mut cargo = checkout.command("cargo");
        cargo
            .args(["test", "--locked", "--no-fail-fast"])
            .args(arguments);
        // Tests wait for processes more than they compute.
        cargo.env("RUST_TEST_THREADS", TEST_THREADS);
        cargo.env("TMPDIR", dir.path());
        cargo.env("HEYI_REDIS__URL", redis.url());
        cargo.env("HEYI_MONGO__URL", mongo.url());
        counted::run(&mut cargo, count)
    });
    redis.stop().await?;
    mongo.stop().await?;
    tested
}

/// Runs a command, which must succeed.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let program = command.get_program().display().to_string();
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    ensure!(status.success(), "{program} ended with {status}");
    Ok(())
}

/// What differs from the last commit in files under version control. The run must not change it.
fn generated(checkout: &Checkout) -> Result<Vec<u8>> {
    if !checkout.path(".git").exists() {
        return Ok(Vec::new());
    }
    let mut git = checkout.command("git");
    let output = git
        .args(["diff", "--binary", "HEAD"])
        .output()
        .context("cannot run git")?;
    ensure!(output.status.success(), "git diff failed");
    Ok(output.stdout)
}
