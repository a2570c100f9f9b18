//! Single files from packages of npm.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use heyi_testkit::servers::process::find;
use sha2::{Digest as _, Sha256};

use super::{apt, works};
use crate::checkout::Checkout;

/// A file in a package, with its checksum.
pub(super) struct Package {
    /// Name and version.
    pub(super) name: &'static str,
    /// The file in it.
    pub(super) file: &'static str,
    /// SHA-256 of the file.
    pub(super) sha256: &'static str,
}

impl Package {
    /// Installs the file into `.heyi/tools` if missing, and returns its path.
    pub(super) fn install(&self, checkout: &Checkout) -> Result<PathBuf> {
        let tools = checkout.dir("tools")?;
        let name = Path::new(self.file).file_name().context("no file name")?;
        let path = tools.join(name);
        if path.is_file() && self.is_right(&path)? {
            return Ok(path);
        }
        println!("downloading {} ({})", self.file, self.name);
        if find("npm").is_none() {
            apt::install(&["npm"])
                .context("npm is missing. Install it (Debian: apt install npm)")?;
        }
        // In the destination's directory, so that the last step is a rename.
        let dir = tempfile::tempdir_in(&tools)?;
        works(
            Command::new("npm")
                .args(["pack", "--silent", "--pack-destination"])
                .arg(dir.path())
                .arg(self.name),
        )?;
        let archive = self.name.trim_start_matches('@').replace(['@', '/'], "-");
        let archive = format!("{archive}.tgz");
        let member = format!("package/{}", self.file);
        works(
            Command::new("tar")
                .arg("-xzf")
                .arg(dir.path().join(archive))
                .arg("-C")
                .arg(dir.path())
                .arg(&member),
        )?;
        let unpacked = dir.path().join(member);
        ensure!(
            self.is_right(&unpacked)?,
            "{} of {} is not the file it was",
            self.file,
            self.name
        );
        fs::rename(unpacked, &path)?;
        Ok(path)
    }

    fn is_right(&self, path: &Path) -> Result<bool> {
        let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
        Ok(hex::encode(Sha256::digest(bytes)) == self.sha256)
    }
}
