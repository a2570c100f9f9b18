//! Stores with certificates of a private authority.

use anyhow::Result;
use heyi_testkit::{
    servers::{Server, certificates, process::free_port},
    world::{World, eventually},
};
use tempfile::TempDir;

use crate::support::TestApp;

struct Stores {
    redis: Server,
    redis_url: String,
    mongo: Server,
    _dir: TempDir,
}

impl Stores {
    async fn start() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let port = free_port()?;
        let redis =
            Server::redis_with(&dir.path().join("redis"), certificates::for_redis(port)).await?;
        let arguments = certificates::for_mongo(dir.path())?;
        Ok(Self {
            redis,
            redis_url: format!("rediss://localhost:{port}/0"),
            mongo: Server::mongo_with(&dir.path().join("mongo"), arguments).await?,
            _dir: dir,
        })
    }

    /// A test app that looks into the stores without TLS, and whose processes use it.
    async fn app(&self) -> Result<TestApp> {
        let world = World::on(self.redis.url(), self.mongo.url()).await?;
        let mut app = TestApp::open(world).await?;
        app.world.set("HEYI_REDIS__URL", &self.redis_url);
        app.world
            .set("HEYI_MONGO__URL", self.mongo.url() + "&tls=true");
        Ok(app)
    }
}

async fn is_promoted(mut app: TestApp, stores: &Stores) -> Result<()> {
    let worker = app.world.worker().await?;
    let order = app.paid_orders(1).await?.remove(0);
    app.quiet().await?;
    app.the_code(&order).await?;
    assert!(worker.stop().await?.success());
    app.world.set("HEYI_REDIS__URL", stores.redis.url());
    app.world.set("HEYI_REDIS__CA_FILE", "");
    app.close().await
}

#[tokio::test]
async fn an_authority_is_trusted_once_it_is_named() -> Result<()> {
    let stores = Stores::start().await?;
    let authority = certificates::authority().display().to_string();

    let app = stores.app().await?;
    let worker = app.world.start_worker()?;
    eventually("a refused certificate", async || {
        Ok(worker.log().contains("UnknownIssuer"))
    })
    .await?;
    worker.stop().await?;

    let mut app = stores.app().await?;
    app.world.set("HEYI_REDIS__CA_FILE", &authority);
    app.world.set("HEYI_MONGO__CA_FILE", &authority);
    is_promoted(app, &stores).await?;

    // The system's authorities, as this variable names them.
    let mut app = stores.app().await?;
    app.world.set("SSL_CERT_FILE", &authority);
    is_promoted(app, &stores).await?;

    let mut app = stores.app().await?;
    app.world.set("HEYI_REDIS__CA_FILE", &authority);
    let url = format!("{}&tls=true&tlsCAFile={authority}", stores.mongo.url());
    app.world.set("HEYI_MONGO__URL", url);
    is_promoted(app, &stores).await
}
