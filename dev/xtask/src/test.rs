//! `cargo xtask test`: all checks.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use heyi_testkit::servers::Server;

use self::{
    counted::Count,
    steps::{Steps, captured, timed},
};
use crate::{
    chaos,
    checkout::{Checkout, succeed},
    install,
};

mod advisories;
mod counted;
mod fuzz_api;
mod scratch;
mod steps;

/// What can be chosen about `test`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run only this part.
    #[arg(long, value_name = "PART")]
    only: Option<Part>,
    /// Run only tests, with these arguments for `cargo nextest run`.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// A part of the checks. Together they are everything.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Format, lints, documentation, alarms, dependencies.
    Lint,
    /// Tests, but for those in a browser.
    Tests,
    /// Tests in a browser.
    Browser,
    /// Chaos for two minutes, and schemathesis.
    Chaos,
    /// Schemathesis alone, on what was built last.
    FuzzApi,
    /// The release build, and tests of what is shipped.
    Packages,
}

/// The tests that start a browser.
const BROWSER: &str =
    "test(/^(changed_codes|code_page|code_page_access|demo_page|qr_poster|screenshots)::/)";
/// The tests of the shipped files.
const SHIPPED: &str = "test(/^(image|shipped)::/)";

/// Runs the checks in order, up to the first failure. The last line of output counts the tests.
pub(crate) async fn run(checkout: &Checkout, options: &Options) -> Result<ExitCode> {
    let mut steps = Steps::default();
    let mut count = Count::default();
    let outcome = match options.only {
        Some(part) => only(checkout, part, &mut steps, &mut count).await,
        None if options.arguments.is_empty() => everything(checkout, &mut steps, &mut count).await,
        None => chosen(checkout, &options.arguments, &mut steps, &mut count).await,
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

async fn only(checkout: &Checkout, part: Part, steps: &mut Steps, count: &mut Count) -> Result<()> {
    let filter = |filter: &str| ["-E".to_owned(), filter.to_owned()];
    match part {
        Part::Lint => {
            steps.run("install", || for_lint(checkout))?;
            lint(checkout, steps)?;
            dependencies(checkout, steps).await
        }
        Part::Tests => {
            let others = filter(&format!("not ({BROWSER})"));
            chosen(checkout, &others, steps, count).await?;
            doc_tests(checkout, steps)
        }
        Part::Browser => chosen(checkout, &filter(BROWSER), steps, count).await,
        Part::Chaos => {
            let schemathesis = steps.run("install", || {
                for_tests(checkout)?;
                install::schemathesis(checkout)
            })?;
            build(checkout, steps)?;
            let (chaos, fuzz_api) = tokio::join!(
                timed(captured(chaos::short(checkout)?)),
                timed(Box::pin(fuzz_api::check(checkout, schemathesis))),
            );
            let outcomes = [steps.note("chaos", chaos), steps.note("fuzz-api", fuzz_api)];
            outcomes.into_iter().collect()
        }
        Part::FuzzApi => {
            let schemathesis = install::schemathesis(checkout)?;
            let checked = timed(Box::pin(fuzz_api::check(checkout, schemathesis))).await;
            steps.note("fuzz-api", checked)
        }
        Part::Packages => {
            steps.run("release", || {
                let line = "build --release --locked --package heyi-api --package heyi-worker";
                succeed(&mut cargo(checkout, line))
            })?;
            chosen(checkout, &filter(SHIPPED), steps, count).await
        }
    }
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
    // First, so that a missing program is reported early.
    steps.run("install", || {
        for_tests(checkout)?;
        for_lint(checkout)
    })?;
    let schemathesis = steps.run("install schemathesis", || install::schemathesis(checkout))?;
    let before = generated(checkout)?;
    lint(checkout, steps)?;
    build(checkout, steps)?;
    let all = ["--workspace".to_owned()];
    // All three mostly wait.
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
    doc_tests(checkout, steps)?;
    dependencies(checkout, steps).await?;
    steps.run("generated files", || {
        ensure!(
            generated(checkout)? == before,
            "the run changed files under version control; see `git diff`, and commit what is right"
        );
        Ok(())
    })
}

/// Format and lints.
fn lint(checkout: &Checkout, steps: &mut Steps) -> Result<()> {
    steps.run("fetch", || succeed(&mut cargo(checkout, "fetch --locked")))?;
    steps.run("fmt", || succeed(&mut cargo(checkout, "fmt --all --check")))?;
    steps.run("clippy", || {
        let line = "clippy --workspace --all-targets --locked -- -D warnings";
        succeed(&mut cargo(checkout, line))
    })
}

/// Doc tests, which the test runner does not run.
fn doc_tests(checkout: &Checkout, steps: &mut Steps) -> Result<()> {
    steps.run("doc tests", || {
        let line = "test --workspace --doc --locked --quiet";
        succeed(&mut cargo(checkout, line))
    })
}

/// Documentation, alarms and dependencies.
async fn dependencies(checkout: &Checkout, steps: &mut Steps) -> Result<()> {
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
    steps.run("shear", || succeed(&mut cargo(checkout, "shear")))
}

/// Installs the programs of the lint part.
fn for_lint(checkout: &Checkout) -> Result<()> {
    install::make()?;
    install::promtool(checkout)?;
    install::checkers(checkout)
}

/// Installs the programs that tests need.
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

/// Builds the tests and the programs that they start.
fn build(checkout: &Checkout, steps: &mut Steps) -> Result<()> {
    // Tests start and kill the real binaries.
    steps.run("build", || {
        succeed(&mut cargo(
            checkout,
            "build --workspace --bins --tests --locked",
        ))
    })
}

/// Starts stores, runs tests on them, and counts.
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

/// `cargo` with the arguments in `line`.
fn cargo(checkout: &Checkout, line: &str) -> Command {
    let mut cargo = checkout.command("cargo");
    cargo.args(line.split(' '));
    cargo
}

/// The diff of tracked files to the last commit, which a run must not change.
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
