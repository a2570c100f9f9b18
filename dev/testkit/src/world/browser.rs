//! A real browser that plays a phone or a desktop.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result};
use fantoccini::{
    Client, ClientBuilder, Locator, elements::Element, wd::WebDriverCompatibleCommand,
};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Child;
use url::{ParseError, Url};

use super::eventually;
use crate::servers::process::{find, free_port, tether, tethered};

/// A screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// In the pixels of CSS.
    pub width: u32,
    /// In the pixels of CSS.
    pub height: u32,
    /// Device pixels for one pixel of CSS, on each side.
    pub density: u32,
}

/// A phone.
pub const PHONE: Screen = Screen {
    width: 390,
    height: 844,
    density: 2,
};
/// The smallest phone that is still in use.
pub const SMALL_PHONE: Screen = Screen {
    width: 320,
    height: 568,
    density: 2,
};
/// A window on a desktop.
pub const DESKTOP: Screen = Screen {
    width: 1280,
    height: 800,
    density: 1,
};

/// Debian's path comes first: the name on PATH is a wrapper script, which would be a process between driver and browser.
const HEADLESS_SHELLS: [&str; 3] = [
    "/usr/lib/chromium/chromium-headless-shell",
    "chromium-headless-shell",
    "chrome-headless-shell",
];
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--in-process-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// A chromedriver and its browser. Both end with this value.
pub struct Browser {
    /// The WebDriver client that controls it.
    pub client: Client,
    process: Child,
}

impl Browser {
    /// Starts a browser that stores its files in `data`.
    pub async fn start(data: &Path) -> Result<Self> {
        let program = find("chromedriver")
            .context("chromedriver is not on PATH: run the tests with `cargo xtask test`")?;
        let port = free_port()?;
        let process = tethered(&program)
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut flags: Vec<String> = FLAGS.iter().map(ToString::to_string).collect();
        flags.push(format!("--user-data-dir={}", data.display()));
        let mut options = json!({ "args": flags });
        if let Some(shell) = headless_shell(data)? {
            options["binary"] = json!(shell);
        }
        let wanted = json!({
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let wanted = wanted.as_object().context("no object")?;
        let url = format!("http://127.0.0.1:{port}");
        let mut client = None;
        eventually("a browser", async || {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            client = builder
                .capabilities(wanted.clone())
                .connect(&url)
                .await
                .ok();
            Ok(client.is_some())
        })
        .await?;
        Ok(Self {
            client: client.context("no browser")?,
            process,
        })
    }

    /// Sets the `User-Agent`, the language and the screen.
    pub async fn be(&self, agent: &str, language: &str, screen: Screen) -> Result<()> {
        let identity = json!({ "userAgent": agent, "acceptLanguage": language });
        self.tell("Emulation.setUserAgentOverride", identity)
            .await?;
        let screen = json!({
            "width": screen.width,
            "height": screen.height,
            "deviceScaleFactor": screen.density,
            "mobile": screen != DESKTOP,
        });
        self.tell("Emulation.setDeviceMetricsOverride", screen)
            .await
    }

    /// Emulates a medium (`screen` or `print`) and a colour scheme (`light` or `dark`).
    pub async fn show_as(&self, medium: &str, scheme: &str) -> Result<()> {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let media = json!({ "media": medium, "features": features });
        self.tell("Emulation.setEmulatedMedia", media).await
    }

    /// Sends a command of Chromium's DevTools protocol.
    pub async fn tell(&self, command: &str, params: Value) -> Result<()> {
        let command = json!({ "cmd": command, "params": params });
        let command = Own("goog/cdp/execute", command);
        self.client.issue_cmd(command).await?;
        Ok(())
    }

    /// Console messages since the last call, and all requested URLs.
    pub async fn records(&self) -> Result<(Vec<String>, Vec<Url>)> {
        let console = self.log("browser").await?;
        let said = console.iter().map(|entry| entry["message"].to_string());
        let mut asked = Vec::new();
        for entry in self.log("performance").await? {
            let event: Value = serde_json::from_str(entry["message"].as_str().unwrap_or_default())?;
            let event = &event["message"];
            if event["method"] == "Network.requestWillBeSent" {
                let url = event["params"]["request"]["url"].as_str();
                asked.push(url.context("a request to nowhere")?.parse()?);
            }
        }
        Ok((said.collect(), asked))
    }

    async fn log(&self, kind: &str) -> Result<Vec<Value>> {
        let entries = Own("se/log", json!({ "type": kind }));
        let entries = self.client.issue_cmd(entries).await?;
        Ok(entries.as_array().context("no log")?.clone())
    }

    /// Waits until the element is shown.
    pub async fn find(&self, css: &str) -> Result<Element> {
        let mut found = None;
        eventually(css, async || {
            let element = self.client.find(Locator::Css(css)).await;
            if let Ok(element) = element
                && element.is_displayed().await.unwrap_or(false)
            {
                found = Some(element);
            }
            Ok(found.is_some())
        })
        .await?;
        found.context("no element")
    }

    /// Clicks on the element once it is shown.
    pub async fn click(&self, css: &str) -> Result<()> {
        Ok(self.find(css).await?.click().await?)
    }

    /// Runs a script and returns its result.
    pub async fn evaluate(&self, script: &str) -> Result<Value> {
        Ok(self.client.execute(script, Vec::new()).await?)
    }

    /// Whether the page fits the width of the screen.
    pub async fn fits(&self) -> Result<bool> {
        let fits =
            "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
        Ok(self.evaluate(fits).await? == true)
    }

    /// Texts that overflow their card or control.
    pub async fn escaping(&self) -> Result<Value> {
        self.evaluate(
            "const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            const range = document.createRange();
            const found = [];
            while (walker.nextNode()) {
                const text = walker.currentNode;
                const around = text.parentElement.closest('.apps a, .button, button, .plate, .card') ?? document.documentElement;
                const box = around.getBoundingClientRect();
                range.selectNodeContents(text);
                const leaves = (it) => it.width > 0 && (it.left < box.left - 1 || it.right > box.right + 1);
                if (text.data.trim() && [...range.getClientRects()].some(leaves)) found.push(text.data);
            }
            return found",
        )
        .await
    }

    /// Stops the browser and its driver.
    pub async fn stop(mut self) -> Result<()> {
        self.client.close().await?;
        Ok(self.process.kill().await?)
    }
}

/// Chromium's headless shell, if installed: the same pages in half the time. It must open no start page, for which
/// chromedriver would wait forever.
fn headless_shell(data: &Path) -> Result<Option<PathBuf>> {
    let Some(program) = HEADLESS_SHELLS.into_iter().find_map(find) else {
        return Ok(None);
    };
    let script = data.with_extension("sh");
    // The browser would survive a killed chromedriver, e.g. after a failed test.
    let command = format!(
        "exec {} '{}' \"$@\" about:blank",
        tether(),
        program.display()
    );
    fs::write(&script, format!("#!/bin/sh\n{command}\n"))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(Some(script))
}

/// A command of chromedriver alone, with its body.
#[derive(Debug)]
struct Own(&'static str, Value);

impl WebDriverCompatibleCommand for Own {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!(
            "session/{}/{}",
            session.unwrap_or_default(),
            self.0
        ))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.1.to_string()))
    }
}
