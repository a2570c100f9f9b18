//! Codes in MongoDB, as if their orders had been promoted.

use std::ops::Range;

use anyhow::Result;
use heyi_common::store::{Code, Mapping};
use heyi_testkit::world::World;
use mongodb::Collection;

use crate::{orders::Orders, server};

const BATCH: usize = 1_000;

/// What is needed to ask for a code.
pub(crate) struct Known {
    pub(crate) id: String,
    pub(crate) openid: String,
    pub(crate) out_trade_no: String,
}

/// Adds codes with these numbers.
pub(crate) async fn add(world: &World, numbers: Range<u32>) -> Result<Vec<Known>> {
    let orders = Orders::new(world)?;
    world.store().await?.ensure_indexes().await?;
    let database = server::mongo(world)
        .await?
        .database(world.setting("HEYI_MONGO__DATABASE"));
    let (codes, mappings): (Collection<Code>, Collection<Mapping>) = (
        database.collection("codes"),
        database.collection("mappings"),
    );
    let mut known = Vec::new();
    let numbers: Vec<u32> = numbers.collect();
    for numbers in numbers.chunks(BATCH) {
        let added: Vec<Code> = numbers
            .iter()
            .map(|number| orders.code(*number))
            .collect::<Result<_>>()?;
        codes.insert_many(&added).await?;
        mappings
            .insert_many(added.iter().map(Code::mapping))
            .await?;
        known.extend(added.into_iter().map(|code| Known {
            id: code.id.to_hex(),
            openid: code.openid.to_string(),
            out_trade_no: code.out_trade_no.to_string(),
        }));
    }
    Ok(known)
}
