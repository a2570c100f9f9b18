//! The inputs of `docker compose up --build`, checked without a daemon.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The paths that `.dockerignore` lets through: it leaves out everything but what it names.
fn build_context() -> Result<Vec<String>> {
    let text = fs::read_to_string(root().join(".dockerignore"))?;
    let mut lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    ensure!(
        lines.next() == Some("*"),
        ".dockerignore does not begin with *"
    );
    lines
        .map(|line| {
            let path = line.strip_prefix('!').with_context(|| line.to_owned())?;
            Ok(path.to_owned())
        })
        .collect()
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            copy(&from.join(&name), &to.join(&name))?;
        }
    } else {
        fs::copy(from, to).with_context(|| from.display().to_string())?;
    }
    Ok(())
}

/// Files of Rust below `dir`, but for those of tests, which no image is built from.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.file_stem().is_some_and(|it| it == "tests") {
            continue;
        }
        if path.is_dir() {
            sources(&path, found)?;
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_build_context_has_all_that_the_image_is_built_from() -> Result<()> {
    let context = tempfile::tempdir()?;
    for path in build_context()? {
        let from = root().join(&path);
        ensure!(from.exists(), "{path} of .dockerignore does not exist");
        copy(&from, &context.path().join(&path))?;
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let resolved = Command::new(cargo)
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .current_dir(context.path())
        .output()
        .await?;
    if !resolved.status.success() {
        bail!("{}", String::from_utf8_lossy(&resolved.stderr));
    }
    let mut files = Vec::new();
    for package in ["api", "common", "worker"] {
        sources(&context.path().join(package).join("src"), &mut files)?;
    }
    let mut included = 0;
    for file in files {
        let text = fs::read_to_string(&file)?;
        let dir = file.parent().context("no directory")?;
        for include in ["include_str!(\"", "include_bytes!(\""] {
            for rest in text.split(include).skip(1) {
                let path = rest.split('"').next().unwrap_or_default();
                let there = dir.join(path).exists();
                ensure!(
                    there,
                    "{} includes {path}, which is left out",
                    file.display()
                );
                included += 1;
            }
        }
    }
    ensure!(
        included > 0,
        "nothing is included: this looks for the wrong thing"
    );
    Ok(())
}
