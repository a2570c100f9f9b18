//! `cargo xtask test`: everything that must hold.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use heyi_testkit::servers::Server;

use self::{
    counted::Count,
    steps::{Steps, captured, timed},
};
use crate::{chaos, checkout::Checkout, install};

mod advisories;
mod counted;
mod fuzz_api;
mod scratch;
mod steps;

/// What can be chosen about `test`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run only schemathesis, on what was built last.
    #[arg(long)]
    fuzz_api: bool,
    /// Run only tests, with these arguments for `cargo nextest run`.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Runs the checks in order up to the first that fails. The last line of output counts the tests.
pub(crate) async fn run(checkout: &Checkout, options: &Options) -> Result<ExitCode> {
    let mut steps = Steps::default();
    let mut count = Count::default();
    let outcome = if options.fuzz_api {
        let schemathesis = install::schemathesis(checkout)?;
        let checked = timed(Box::pin(fuzz_api::check(checkout, schemathesis))).await;
        steps.note("fuzz-api", checked)
    } else if options.arguments.is_empty() {
        everything(checkout, &mut steps, &mut count).await
    } else {
        chosen(checkout, &options.arguments, &mut steps, &mut count).await
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

async fn chosen(
    checkout: &Checkout,
    arguments: &[String],
    steps: &mut Steps,
    count: &mut Count,
) -> Result<()> {
    steps.run("install", || for_tests(checkout))?;
    build(checkout, steps)?;
    let tested = timed(tests(checkout, arguments, count)).await;
    steps.note("test", tested)
}

async fn everything(checkout: &Checkout, steps: &mut Steps, count: &mut Count) -> Result<()> {
    // First, so that what cannot be had is told before anything takes long.
    steps.run("install", || {
        for_tests(checkout)?;
        install::make()?;
        install::promtool(checkout)?;
        install::checkers(checkout)
    })?;
    let schemathesis = steps.run("install schemathesis", || install::schemathesis(checkout))?;
    let before = generated(checkout)?;
    steps.run("fetch", || succeed(&mut cargo(checkout, "fetch --locked")))?;
    steps.run("fmt", || succeed(&mut cargo(checkout, "fmt --all --check")))?;
    steps.run("clippy", || {
        let line = "clippy --workspace --all-targets --locked -- -D warnings";
        succeed(&mut cargo(checkout, line))
    })?;
    build(checkout, steps)?;
    let all = ["--workspace".to_owned()];
    // All three wait more than they compute.
    let (tests, chaos, fuzz_api) = tokio::join!(
        timed(tests(checkout, &all, count)),
        timed(captured(chaos::short(checkout)?)),
        timed(Box::pin(fuzz_api::check(checkout, schemathesis))),
    );
    let outcomes = [
        steps.note("test", tests),
        steps.note("chaos", chaos),
        steps.note("fuzz-api", fuzz_api),
    ];
    outcomes.into_iter().collect::<Result<()>>()?;
    // The runner of the tests knows none in comments.
    steps.run("doc tests", || {
        succeed(&mut cargo(
            checkout,
            "test --workspace --doc --locked --quiet",
        ))
    })?;
    steps.run("doc", || {
        let mut doc = cargo(checkout, "doc --no-deps --workspace --locked");
        succeed(doc.env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    steps.run("alarms", || {
        let mut promtool = checkout.command("promtool");
        succeed(promtool.args(["test", "rules", "deploy/prometheus/heyi.test.yml"]))
    })?;
    steps.run("deny", || {
        let line = "deny --offline check bans licenses sources";
        succeed(&mut cargo(checkout, line))
    })?;
    advisories::check(checkout, steps).await?;
    steps.run("shear", || succeed(&mut cargo(checkout, "shear")))?;
    steps.run("generated files", || {
        ensure!(
            generated(checkout)? == before,
            "the run changed files under version control; see `git diff`, and commit what is right"
        );
        Ok(())
    })
}

/// Gets the programs that tests run.
fn for_tests(checkout: &Checkout) -> Result<()> {
    install::small_tools()?;
    install::redis(checkout)?;
    install::mongod(checkout)?;
    install::browser()?;
    install::node()?;
    install::nginx(checkout)?;
    install::axe(checkout)?;
    install::nextest(checkout)
}

/// Builds what the tests run.
fn build(checkout: &Checkout, steps: &mut Steps) -> Result<()> {
    // Tests of crashes start, kill and count on the real programs.
    steps.run("build", || {
        succeed(&mut cargo(
            checkout,
            "build --workspace --bins --tests --locked",
        ))
    })
}

/// Runs tests on stores that are started for them, and counts.
async fn tests(checkout: &Checkout, arguments: &[String], count: &mut Count) -> Result<String> {
    let dir = scratch::dir()?;
    let mut redis = Server::redis(&dir.path().join("redis"), None).await?;
    let mut mongo = Server::mongo(&dir.path().join("mongodb"), None).await?;
    let mut nextest = cargo(checkout, "nextest run --locked");
    nextest.args(arguments);
    nextest.env("TMPDIR", dir.path());
    nextest.env("HEYI_REDIS__URL", redis.url());
    nextest.env("HEYI_MONGO__URL", mongo.url());
    let tested = counted::run(nextest, count).await;
    redis.stop().await?;
    mongo.stop().await?;
    tested.map(|()| String::new())
}

/// `cargo` with the words of `line`.
fn cargo(checkout: &Checkout, line: &str) -> Command {
    let mut cargo = checkout.command("cargo");
    cargo.args(line.split(' '));
    cargo
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
