//! Child processes: start, signal, stop.

use std::{
    collections::BTreeSet,
    env, fs,
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    ops::Range,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// Stop timeout of a process, after which it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// Ports below the ephemeral range. Otherwise a client that reconnects to a stopped server could get the server's
/// port, connect to itself, and keep the server from restarting.
const PORTS: Range<u16> = 10_000..32_000;

/// Connect timeout of a port check. Loopback refuses immediately.
const KNOCK: Duration = Duration::from_millis(200);

const TETHER: [&str; 3] = ["--pdeathsig", "KILL", "--"];
/// Whether `setpriv` of util-linux exists. That of Busybox lacks the option.
static HAS_SETPRIV: LazyLock<bool> = LazyLock::new(|| {
    let mut probe = std::process::Command::new("setpriv");
    probe.args(TETHER).arg("true");
    probe.stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
});

/// A command whose process ends with its owner, even if the owner is killed.
///
/// The terminal's Ctrl-C does not reach it, so its owner decides when it ends. This needs `setpriv` of util-linux;
/// without it (macOS) the process survives a killed owner. For the kernel the owner is the *thread* that started the
/// process. So start it on the main thread or in a test's own runtime, never inside `spawn_blocking`.
pub fn tethered(program: &Path) -> Command {
    let mut command = if *HAS_SETPRIV {
        let mut command = Command::new("setpriv");
        command.args(TETHER).arg(program);
        command
    } else {
        Command::new(program)
    };
    command
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::null());
    command
}

/// The same as a prefix of a shell command; empty without `setpriv`.
pub fn tether() -> String {
    if *HAS_SETPRIV {
        format!("setpriv {}", TETHER.join(" "))
    } else {
        String::new()
    }
}

/// Stops a process (SIGTERM), kills it after a timeout, and waits for its end.
pub async fn stop(child: &mut Child) -> Result<()> {
    if child.try_wait()?.is_some() {
        return Ok(());
    }
    signal(child, Signal::TERM)?;
    // A paused process would not see the first signal.
    signal(child, Signal::CONT)?;
    match timeout(STOP_LIMIT, child.wait()).await {
        Ok(ended) => ended.map(drop).context("cannot wait for the process"),
        Err(_) => child.kill().await.context("cannot kill the process"),
    }
}

/// The last `lines` lines of a log, for error messages.
pub fn tail(log: &Path, lines: usize) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut end: Vec<&str> = text.lines().rev().take(lines).collect();
    end.reverse();
    end.join("\n")
}

/// This process's share of [`PORTS`]. Each test is a process, and two of them must not get the same port. The test
/// runner numbers concurrent tests; processes without a number get the last share.
fn own_ports() -> Range<u16> {
    const EACH: u16 = 1_000;
    let slots = (PORTS.end - PORTS.start) / EACH;
    let slot = env::var_os("NEXTEST_TEST_GLOBAL_SLOT").and_then(|it| it.into_string().ok());
    let slot = slot.and_then(|slot| slot.parse::<u16>().ok());
    let start = PORTS.start + EACH * slot.map_or(slots - 1, |slot| slot % (slots - 1));
    start..start + EACH
}

/// A free loopback port. It is never returned twice, since its first user may not listen yet.
pub fn free_port() -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let ports = own_ports();
    for _ in 0..1_000 {
        let port = rand::random_range(ports.clone());
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        if is_free(port) && given.insert(port) {
            return Ok(port);
        }
    }
    bail!("no free port between {} and {}", ports.start, ports.end)
}

/// Whether a loopback port is free.
///
/// It connects instead of listening. A child that another thread starts meanwhile would inherit a listening socket
/// until it runs its program, and the port would seem taken.
pub fn is_free(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let knocked = TcpStream::connect_timeout(&address, KNOCK);
    knocked.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// The path of a program on PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|dir| dir.join(program))
        .find(|path| path.is_file())
}

/// Sends a signal to a process that was not reaped yet.
pub(crate) fn signal(child: &Child, signal: Signal) -> Result<()> {
    let id = child.id().context("the process has ended")?;
    let pid = i32::try_from(id)
        .ok()
        .and_then(Pid::from_raw)
        .context("no process id")?;
    kill_process(pid, signal).context("cannot signal the process")
}
