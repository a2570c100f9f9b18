//! Ports and secrets that `up` keeps between runs.

use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _};

use anyhow::{Context as _, Result};
use heyi_testkit::servers::process::{free_port, is_free};
use serde::{Deserialize, Serialize};

use crate::checkout::Checkout;

/// Ports and secrets. They are random, so that no secret is a default.
#[derive(Deserialize, Serialize)]
pub(super) struct Memory {
    pub(super) redis_port: u16,
    /// The replica set stores it too, so it cannot change while there is data.
    pub(super) mongo_port: u16,
    pub(super) sandbox_port: u16,
    pub(super) worker_port: u16,
    /// 0 in files of an older version, and then replaced.
    #[serde(default)]
    pub(super) monitor_port: u16,
    pub(super) payjs_mchid: String,
    pub(super) payjs_key: String,
    pub(super) wechat_appid: String,
    pub(super) wechat_secret: String,
    pub(super) app_key: String,
    pub(super) session_secret: String,
}

impl Memory {
    /// Reads the file, or creates it. Ports that other processes took meanwhile are replaced.
    pub(super) fn load(checkout: &Checkout) -> Result<Memory> {
        let path = checkout.dir("data")?.join("up.toml");
        let mut memory = if path.exists() {
            toml::from_str(&fs::read_to_string(&path)?)
                .with_context(|| format!("{} is not legible; use --fresh", path.display()))?
        } else {
            Memory::new()?
        };
        for port in [
            &mut memory.redis_port,
            &mut memory.sandbox_port,
            &mut memory.worker_port,
            &mut memory.monitor_port,
        ] {
            if *port == 0 || !is_free(*port) {
                *port = free_port()?;
            }
        }
        let mut options = fs::File::options();
        let mut file = options
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(toml::to_string(&memory)?.as_bytes())?;
        Ok(memory)
    }

    fn new() -> Result<Memory> {
        Ok(Memory {
            redis_port: free_port()?,
            mongo_port: free_port()?,
            sandbox_port: free_port()?,
            worker_port: free_port()?,
            monitor_port: free_port()?,
            payjs_mchid: random(b"123456789", 10),
            payjs_key: random(b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789", 16),
            wechat_appid: format!("wx{}", random(HEX, 16)),
            wechat_secret: random(HEX, 32),
            app_key: random(HEX, 32),
            session_secret: random(HEX, 64),
        })
    }
}

const HEX: &[u8] = b"0123456789abcdef";

fn random(alphabet: &[u8], length: usize) -> String {
    (0..length)
        .map(|_| char::from(alphabet[rand::random_range(0..alphabet.len())]))
        .collect()
}
