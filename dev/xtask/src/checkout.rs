//! The checkout, and the files that the commands keep in it.

use std::{
    env,
    ffi::OsStr,
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result, ensure};

/// The root of the repository. The commands write below its `.heyi` only.
pub(crate) struct Checkout {
    root: PathBuf,
    programs: PathBuf,
}

impl Checkout {
    /// `path` below the root.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// A directory below `.heyi`, created if missing.
    pub(crate) fn dir(&self, name: &str) -> Result<PathBuf> {
        let dir = self.root.join(".heyi").join(name);
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(dir)
    }

    /// A path relative to the root.
    pub(crate) fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root)
            .unwrap_or(path)
            .display()
            .to_string()
    }

    /// The directory of installed programs.
    pub(crate) fn programs(&self) -> &Path {
        &self.programs
    }

    /// A command that runs in the root.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        // Cargo's variables about this package. With them ring's build script would run again in every run, and everything
        // that depends on it would be compiled again.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name);
            }
        }
        command
    }
}

/// Finds the checkout and puts installed programs on PATH. A process cannot change its own environment safely, so it
/// starts itself again.
pub(crate) fn enter() -> Result<Checkout> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    let root = Path::new(&manifest).ancestors().nth(2);
    let root = root.context("no checkout")?;
    let checkout = Checkout {
        root: root.to_owned(),
        programs: root.join(".heyi/tools/bin"),
    };
    let path = env::var_os("PATH").unwrap_or_default();
    if env::split_paths(&path).any(|dir| dir == checkout.programs) {
        return Ok(checkout);
    }
    fs::create_dir_all(&checkout.programs)?;
    // Last, so that the machine's own programs come first.
    let dirs = env::split_paths(&path).chain([checkout.programs]);
    let error = Command::new(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env("PATH", env::join_paths(dirs)?)
        .exec();
    Err(error).context("cannot start again with the installed programs on PATH")
}

/// Runs a command that reports its own errors, and returns its exit code.
pub(crate) fn run_through(command: &mut Command) -> Result<ExitCode> {
    let program = command.get_program().display().to_string();
    let status = command
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
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
