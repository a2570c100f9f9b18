//! A program that only inserts: what any promotion costs at least.

use std::time::Instant;

use anyhow::{Result, ensure};
use heyi_common::store::{Code, Mapping};
use heyi_testkit::world::World;
use mongodb::{
    Client, Collection, Database, IndexModel,
    bson::{Document, doc},
    options::{Acknowledgment, ClientOptions, IndexOptions, WriteConcern},
};

use crate::queue::rate;

const BATCH: usize = 100;

/// On a majority, and journaled: what Heyi asks for.
pub(crate) fn durable() -> WriteConcern {
    WriteConcern::builder()
        .w(Acknowledgment::Majority)
        .journal(true)
        .build()
}

/// Collections as Heyi has them, in a database of their own on the same server.
pub(super) struct Bare {
    heyi: Database,
    codes: Collection<Code>,
    mappings: Collection<Mapping>,
}

impl Bare {
    pub(super) async fn new(world: &World) -> Result<Self> {
        let mut options = ClientOptions::parse(world.setting("HEYI_MONGO__URL")).await?;
        options.write_concern = Some(durable());
        let client = Client::with_options(options)?;
        let bare = client.database("bare");
        let codes = bare.collection("codes");
        let unique = IndexOptions::builder().unique(true).build();
        let by_order = IndexModel::builder()
            .keys(doc! { "out_trade_no": 1 })
            .options(unique)
            .build();
        let by_owner = IndexModel::builder()
            .keys(doc! { "openid": 1, "created_at": -1, "_id": -1 })
            .build();
        codes.create_indexes([by_order, by_owner]).await?;
        Ok(Self {
            heyi: client.database(world.setting("HEYI_MONGO__DATABASE")),
            codes,
            mappings: bare.collection("mappings"),
        })
    }

    /// Orders a second.
    pub(super) async fn rate(&self, codes: Vec<Code>) -> Result<f64> {
        let mappings: Vec<Mapping> = codes.iter().map(Code::mapping).collect();
        let start = Instant::now();
        for (codes, mappings) in codes.chunks(BATCH).zip(mappings.chunks(BATCH)) {
            self.codes.insert_many(codes).await?;
            self.mappings.insert_many(mappings).await?;
        }
        Ok(rate(u32::try_from(codes.len())?, start))
    }

    /// Both must have written as many documents.
    pub(super) async fn compare(&self, expected: u64) -> Result<()> {
        let bare = [
            self.codes.count_documents(doc! {}).await?,
            self.mappings.count_documents(doc! {}).await?,
        ];
        let count = async |name| {
            let collection: Collection<Document> = self.heyi.collection(name);
            collection.count_documents(doc! {}).await
        };
        let heyi = [count("codes").await?, count("mappings").await?];
        ensure!(
            bare == [expected; 2] && heyi == [expected; 2],
            "{expected} orders were paid; codes and mappings: {heyi:?}, bare: {bare:?}"
        );
        Ok(())
    }
}
