//! systemd's watchdog: pings stop when a request thread or a queue reader hangs.

use std::{path::Path, time::Duration};

use anyhow::{Result, bail};
use heyi_testkit::{
    servers::process::free_port,
    world::{Service, World, eventually},
};
use tokio::{net::UnixDatagram, time::timeout};

/// The interval of pings is a third of it.
const LIMIT: Duration = Duration::from_millis(600);
/// Much longer than that.
const SILENCE: Duration = Duration::from_secs(3);

/// systemd, as a process sees it.
struct Manager {
    socket: UnixDatagram,
}

impl Manager {
    fn listen(path: &Path) -> Result<Self> {
        let socket = UnixDatagram::bind(path)?;
        Ok(Self { socket })
    }

    /// Waits for a message.
    async fn hear(&self, expected: &str) -> Result<()> {
        let mut buffer = [0; 1024];
        let heard = async {
            loop {
                let length = self.socket.recv(&mut buffer).await?;
                if String::from_utf8_lossy(&buffer[..length]).contains(expected) {
                    return anyhow::Ok(());
                }
            }
        };
        timeout(Duration::from_secs(30), heard).await?
    }

    /// Waits until no message has come for a while.
    async fn hear_nothing(&self) -> Result<()> {
        let mut buffer = [0; 1024];
        for _ in 0..300 {
            if timeout(SILENCE, self.socket.recv(&mut buffer))
                .await
                .is_err()
            {
                return Ok(());
            }
        }
        bail!("the pings go on")
    }
}

/// Starts a program under a manager. Its parts of this kind stand still while the file exists.
fn start(world: &World, program: &str, kind: &str) -> Result<(Manager, Service)> {
    let socket = world.dir().join(format!("{program}.socket"));
    let manager = Manager::listen(&socket)?;
    let settings = [
        ("NOTIFY_SOCKET", socket.display().to_string()),
        ("WATCHDOG_USEC", LIMIT.as_micros().to_string()),
        ("HEYI_FREEZE", kind.to_owned()),
        (
            "HEYI_FREEZE_WHILE",
            freeze_file(world).display().to_string(),
        ),
    ];
    let heyi = world.start_with(program, free_port()?, &settings)?;
    Ok((manager, heyi))
}

fn freeze_file(world: &World) -> std::path::PathBuf {
    world.dir().join("freeze")
}

#[tokio::test]
async fn pings_stop_while_request_threads_or_readers_stand_still() -> Result<()> {
    let frozen = [
        ("heyi-api", "http"),
        ("heyi-api", "runtime"),
        ("heyi-worker", "reader"),
        ("heyi-worker", "runtime"),
    ];
    for (program, kind) in frozen {
        let world = World::new().await?;
        let (manager, heyi) = start(&world, program, kind)?;
        manager.hear("READY=1").await?;
        let heyi = heyi.ready().await?;
        if program == "heyi-worker" {
            eventually("the readers begin", async || {
                Ok(heyi.log().contains("working"))
            })
            .await?;
        }
        for _ in 0..10 {
            manager.hear("WATCHDOG=1").await?;
        }
        std::fs::write(freeze_file(&world), "")?;
        manager.hear_nothing().await?;
        assert!(heyi.log().contains("is stuck"), "{}", heyi.log());
        std::fs::remove_file(freeze_file(&world))?;
        manager.hear("WATCHDOG=1").await?;
        assert!(heyi.stop().await?.success());
        world.finish().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_worker_without_stores_is_pinged_for() -> Result<()> {
    let mut world = World::with_own_stores().await?;
    let (manager, heyi) = start(&world, "heyi-worker", "")?;
    manager.hear("READY=1").await?;
    let heyi = heyi.ready().await?;
    if let Some(redis) = &mut world.redis {
        redis.stop().await?;
    }
    // Longer than a reader may take while Redis answers.
    let pings = 15_000 / (LIMIT.as_millis() / 3);
    for _ in 0..pings {
        manager.hear("WATCHDOG=1").await?;
    }
    if let Some(redis) = &mut world.redis {
        redis.restart().await?;
    }
    heyi.stop().await?;
    world.finish().await
}
