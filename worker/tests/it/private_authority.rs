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

    /// A shop that looks into the stores without TLS, and whose processes use it.
    async fn shop(&self) -> Result<TestApp> {
        let world = World::on(self.redis.url(), self.mongo.url()).await?;
        let mut shop = TestApp::open(world).await?;
        shop.world.set("HEYI_REDIS__URL", &self.redis_url);
        shop.world
            .set("HEYI_MONGO__URL", self.mongo.url() + "&tls=true");
        Ok(shop)
    }
}

async fn is_promoted(mut shop: TestApp, stores: &Stores) -> Result<()> {
    let worker = shop.world.worker().await?;
    let order = shop.paid_orders(1).await?.remove(0);
    shop.quiet().await?;
    shop.the_code(&order).await?;
    assert!(worker.stop().await?.success());
    shop.world.set("HEYI_REDIS__URL", stores.redis.url());
    shop.world.set("HEYI_REDIS__CA_FILE", "");
    shop.close().await
}

#[tokio::test]
async fn an_authority_is_trusted_once_it_is_named() -> Result<()> {
    let stores = Stores::start().await?;
    let authority = certificates::authority().display().to_string();

    let shop = stores.shop().await?;
    let worker = shop.world.start_worker()?;
    eventually("a refused certificate", async || {
        Ok(worker.log().contains("UnknownIssuer"))
    })
    .await?;
    worker.stop().await?;

    let mut shop = stores.shop().await?;
    shop.world.set("HEYI_REDIS__CA_FILE", &authority);
    shop.world.set("HEYI_MONGO__CA_FILE", &authority);
    is_promoted(shop, &stores).await?;

    // The system's authorities, as this variable names them.
    let mut shop = stores.shop().await?;
    shop.world.set("SSL_CERT_FILE", &authority);
    is_promoted(shop, &stores).await?;

    let mut shop = stores.shop().await?;
    shop.world.set("HEYI_REDIS__CA_FILE", &authority);
    let url = format!("{}&tls=true&tlsCAFile={authority}", stores.mongo.url());
    shop.world.set("HEYI_MONGO__URL", url);
    is_promoted(shop, &stores).await
}
