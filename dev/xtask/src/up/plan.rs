//! The programs and their settings.

use std::{
    collections::BTreeMap, fs::File, io::Write as _, os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use anyhow::Result;

use super::memory::Memory;
use crate::checkout::Checkout;

/// One of our programs.
pub(super) struct Plan {
    pub(super) name: &'static str,
    pub(super) binary: &'static str,
    pub(super) port: u16,
    /// Port and path that answer 200 once the program is ready.
    pub(super) ready: (u16, &'static str),
    pub(super) environment: Vec<(&'static str, String)>,
}

/// The programs in the order in which they start.
pub(super) fn plans(memory: &Memory, api_port: u16, redis: &str, mongo: &str) -> [Plan; 3] {
    let api = url(api_port);
    let sandbox = url(memory.sandbox_port);
    let shared = vec![
        ("HEYI_HTTP__LISTEN", address(api_port)),
        ("HEYI_HTTP__MONITOR", address(memory.monitor_port)),
        ("HEYI_HTTP__PUBLIC_URL", api.clone()),
        ("HEYI_REDIS__URL", redis.to_owned()),
        ("HEYI_MONGO__URL", mongo.to_owned()),
        ("HEYI_PAYJS__MCHID", memory.payjs_mchid.clone()),
        ("HEYI_PAYJS__KEY", memory.payjs_key.clone()),
        ("HEYI_PAYJS__NOTIFY_URL", format!("{api}notify")),
        ("HEYI_PAYJS__API_BASE", format!("{sandbox}payjs/api/")),
        ("HEYI_WECHAT__APPID", memory.wechat_appid.clone()),
        ("HEYI_WECHAT__SECRET", memory.wechat_secret.clone()),
        ("HEYI_WECHAT__API_BASE", format!("{sandbox}wechat/")),
        ("HEYI_SIGN__APP_KEY", memory.app_key.clone()),
        ("HEYI_SIGN__SESSION_SECRET", memory.session_secret.clone()),
        ("HEYI_WORKER__LISTEN", address(memory.worker_port)),
    ];
    let stand_ins = vec![
        ("HEYI_SANDBOX_LISTEN", address(memory.sandbox_port)),
        ("HEYI_SANDBOX_API_URL", api),
        ("HEYI_SANDBOX_MCHID", memory.payjs_mchid.clone()),
        ("HEYI_SANDBOX_KEY", memory.payjs_key.clone()),
        ("HEYI_SANDBOX_APPID", memory.wechat_appid.clone()),
        ("HEYI_SANDBOX_SECRET", memory.wechat_secret.clone()),
        ("HEYI_SANDBOX_APP_KEY", memory.app_key.clone()),
    ];
    [
        Plan {
            name: "sandbox",
            binary: "heyi-sandbox",
            port: memory.sandbox_port,
            ready: (memory.sandbox_port, "/healthz"),
            environment: stand_ins,
        },
        Plan {
            name: "api",
            binary: "heyi-api",
            port: api_port,
            ready: (memory.monitor_port, "/readyz"),
            environment: shared.clone(),
        },
        Plan {
            name: "worker",
            binary: "heyi-worker",
            port: memory.worker_port,
            ready: (memory.worker_port, "/readyz"),
            environment: shared,
        },
    ]
}

/// Writes the settings of api and worker into a file for the operator commands.
pub(super) fn write_settings(checkout: &Checkout, plans: &[Plan]) -> Result<PathBuf> {
    let mut sections: BTreeMap<String, BTreeMap<String, &str>> = BTreeMap::new();
    for (name, value) in plans.iter().flat_map(|plan| &plan.environment) {
        if let Some((section, key)) = name
            .strip_prefix("HEYI_")
            .and_then(|name| name.split_once("__"))
        {
            let section = sections.entry(section.to_lowercase()).or_default();
            section.insert(key.to_lowercase(), value);
        }
    }
    let path = checkout.dir("data")?.join("heyi.toml");
    let mut options = File::options();
    let mut file = options
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&path)?;
    file.write_all(toml::to_string(&sections)?.as_bytes())?;
    Ok(path)
}

/// Shell variables for `client/shell/order.sh`.
pub(super) fn variables(memory: &Memory, api_port: u16) -> String {
    format!(
        "BASE=http://{} SANDBOX=http://{} APP_KEY={} CODE=alice",
        address(api_port),
        address(memory.sandbox_port),
        memory.app_key
    )
}

/// The URL of a program.
pub(super) fn url(port: u16) -> String {
    format!("http://{}/", address(port))
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}
