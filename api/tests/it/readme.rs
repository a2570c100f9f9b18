//! The examples in the documents run unchanged, and links resolve.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use heyi_sandbox::Knobs;
use heyi_testkit::{
    servers::process::{find, tethered},
    world::payloads,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::timeout,
};

use crate::support::TestApp;

const LIMIT: Duration = Duration::from_secs(60);
/// WeChat as the tests of the client play it.
const WX: &str = "
const { phone } = require(process.env.PHONE);
const { wx } = phone('readme');
globalThis.wx = Object.assign(wx, { previewImage: ({ urls }) => console.log(urls[0]) });
globalThis.App = ({ onShow }) => (wx.onShow = onShow);
";

/// `client/shell/order.sh` on the sandbox, as docs/sandbox.md has it.
fn shell(app: &TestApp) -> Result<Command> {
    for tool in ["curl", "md5sum", "sed"] {
        program(tool)?;
    }
    let mut shell = tethered(&program("bash")?);
    shell
        .arg(root().join("client/shell/order.sh"))
        .env("NO_PROXY", "*")
        .env("BASE", app.api.url())
        .env("APP_KEY", app.world.setting("HEYI_SIGN__APP_KEY"))
        .env("CODE", "alice")
        .env("SANDBOX", app.world.sandbox.url().as_str());
    Ok(shell)
}

#[tokio::test]
async fn the_shell_example_pays_and_ends_with_the_page_of_a_code() -> Result<()> {
    let app = TestApp::start().await?;
    let worker = app.world.worker().await?;
    // By hand it runs more than once.
    for _ in 0..2 {
        let output = timeout(LIMIT, shell(&app)?.output()).await??;
        let printed = printed(&output)?;
        let page = printed.lines().last().unwrap_or_default().to_owned();
        let path = page.strip_prefix(&app.api.url()).context(page.clone())?;
        let shown = app.get_with(path, &[]).await?;
        assert_eq!(shown.status, 200);
        assert!(shown.body.contains("小店"), "{}", shown.body);
    }
    worker.stop().await?;
    app.finish().await
}

#[tokio::test]
async fn the_shell_example_waits_for_a_person_who_pays() -> Result<()> {
    let app = TestApp::start().await?;
    let worker = app.world.worker().await?;
    let mut shell = shell(&app)?;
    let mut shell = shell.env_remove("SANDBOX").stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(shell.stdout.take().context("no output")?).lines();
    let order = timeout(LIMIT, lines.next_line()).await??;
    let order: Value = serde_json::from_str(&order.context("the example makes no order")?)?;
    pay(&app, &order)?;
    let page = timeout(LIMIT, lines.next_line()).await??;
    assert!(page.context("no code")?.contains("/qr?id="));
    assert!(timeout(LIMIT, shell.wait()).await??.success());
    worker.stop().await?;
    app.finish().await
}

#[tokio::test]
async fn the_shell_example_shows_the_answer_that_failed() -> Result<()> {
    let app = TestApp::start().await?;
    for (name, value, words) in [
        ("APP_KEY", "another", "/login failed: {\"errcode\":400"),
        (
            "CODE",
            "code-error-40029",
            "/login failed: {\"errcode\":40029",
        ),
        ("APP_KEY", "", "sign.app_key"),
    ] {
        let output = timeout(LIMIT, shell(&app)?.env(name, value).output()).await??;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{name}={value}");
        assert!(said.contains(words), "{name}={value}: {said}");
    }
    app.finish().await
}

/// All notifies are lost, so the code only comes when the example hands over PayJS's number of the payment.
#[tokio::test]
async fn the_mini_program_example_ends_with_the_picture_of_a_code() -> Result<()> {
    let example = only(blocks(&read("docs/api.md")?, "js"))?;
    let node = program("node")?;
    let app = TestApp::start().await?;
    let worker = app.world.worker().await?;
    app.world.sandbox.set_knobs(Knobs {
        lose_notifies: u32::MAX,
        ..Knobs::default()
    });
    let key = app.world.setting("HEYI_SIGN__APP_KEY");
    let example = put(&example, "https://heyi.example.com", &app.api.url())?;
    let example = put(&example, "the app key", key)?;
    let client = root().join("client/miniprogram");
    fs::copy(client.join("heyi.js"), app.world.dir().join("heyi.js"))?;
    let file = app.world.dir().join("example.js");
    fs::write(
        &file,
        format!("{WX}\n{example}\norder('小店', {}, 990);\n", payloads()),
    )?;

    let mut node = tethered(&node);
    node.arg(&file)
        .env("PHONE", client.join("test/wx.js"))
        .env("HEYI_URL", app.api.url())
        .env("HEYI_SANDBOX_URL", app.world.sandbox.url().as_str());
    let output = timeout(LIMIT, node.output())
        .await
        .context("it does not end")??;
    let picture = printed(&output)?;
    let path = picture
        .strip_prefix(&app.api.url())
        .context(picture.clone())?;
    let drawn = app.get_with(path, &[]).await?;
    assert_eq!(drawn.status, 200);
    assert!(drawn.bytes.starts_with(b"\x89PNG"));
    worker.stop().await?;
    app.finish().await
}

#[test]
fn both_languages_show_the_same_code_but_for_comments() -> Result<()> {
    for (english, chinese) in [
        ("README.md", "README.zh-CN.md"),
        ("docs/api.md", "docs/api.zh-CN.md"),
    ] {
        for language in ["sh", "js"] {
            // Not `assert_eq!`, which would print both whole.
            let code = |name| {
                let text = read(name)?;
                anyhow::Ok(without_comments(&blocks(&text, language).concat()))
            };
            let is_same = code(english)? == code(chinese)?;
            assert!(is_same, "{english}: the blocks of {language} differ");
        }
    }
    Ok(())
}

#[test]
fn links_lead_to_files() -> Result<()> {
    let mut documents = vec![
        root().join("README.md"),
        root().join("README.zh-CN.md"),
        root().join("client/miniprogram/README.md"),
    ];
    for entry in fs::read_dir(root().join("docs"))? {
        documents.push(entry?.path());
    }
    documents.retain(|path| path.extension().is_some_and(|kind| kind == "md"));
    for document in documents {
        for link in links(&fs::read_to_string(&document)?) {
            let target = document.parent().context("no directory")?.join(&link);
            assert!(
                target.exists(),
                "{}: {link} leads nowhere",
                document.display()
            );
        }
    }
    Ok(())
}

fn pay(app: &TestApp, order: &Value) -> Result<()> {
    let fields = order["params"].as_object().context("no params")?;
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let params = fields
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect();
    let payment = app.world.sandbox.order(&params)?;
    Ok(app.world.sandbox.pay(&payment)?)
}

fn printed(output: &Output) -> Result<String> {
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {errors}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// `text` with what stands for the reader's own value replaced.
fn put(text: &str, placeholder: &str, value: &str) -> Result<String> {
    ensure!(
        text.contains(placeholder),
        "the example does not say {placeholder:?}"
    );
    Ok(text.replace(placeholder, value))
}

fn program(name: &str) -> Result<PathBuf> {
    find(name).with_context(|| {
        format!("{name} is not on PATH: the examples of the documents need it, install it")
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

fn read(name: &str) -> Result<String> {
    fs::read_to_string(root().join(name)).with_context(|| format!("read {name}"))
}

fn only(mut found: Vec<String>) -> Result<String> {
    ensure!(
        found.len() == 1,
        "there is not one example but {}",
        found.len()
    );
    Ok(found.remove(0))
}

/// The fenced blocks of a language.
fn blocks(markdown: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}");
    let mut found = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        if line == fence {
            let block = lines.by_ref().take_while(|line| *line != "```");
            found.push(block.fold(String::new(), |text, line| text + line + "\n"));
        }
    }
    found
}

/// Code without its comments, which are in the language of the page.
fn without_comments(code: &str) -> String {
    let lines: Vec<&str> = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .filter_map(|line| line.split(" # ").next()?.split(" // ").next())
        .map(str::trim_end)
        .collect();
    lines.join("\n")
}

/// Targets of links within the repository, without what follows `#`.
fn links(markdown: &str) -> Vec<String> {
    let prose: Vec<&str> = markdown.split("```").step_by(2).collect();
    let prose = prose.join("\n");
    let targets = prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with('#'))
        .filter_map(|target| target.split('#').next())
        .map(str::to_owned)
        .collect()
}
