//! The doctor's checks of MongoDB.

use heyi_common::store::{Result, Store, StoreError, UniqueIndex};

use super::{Finding, bad, good};

const SERVER: &str = "mongodb";
const INDEXES: &str = "mongodb indexes";

/// Checks its role, our user's privileges, and the indexes.
pub(super) async fn findings(store: &Store) -> Vec<Finding> {
    let mut findings = Vec::new();
    match server(store).await {
        Ok(found) => findings.extend(found),
        Err(error) => {
            findings.push(bad(SERVER, store.explain(&error).await));
            return findings;
        }
    }
    match indexes(store).await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(bad(INDEXES, store.explain(&error).await)),
    }
    findings
}

async fn server(store: &Store) -> Result<Vec<Finding>> {
    let mut found = vec![if store.is_replica_set().await? {
        good(
            SERVER,
            "a replica set; writes wait for w: majority, j: true",
        )
    } else {
        bad(
            SERVER,
            "not a replica set: a majority is this one server; run it with --replSet, then run rs.initiate() once",
        )
    }];
    store.ping().await?;
    let missing = store.missing_rights().await?;
    if !missing.is_empty() {
        let missing = missing.join(", ");
        let detail = format!(
            "the user of mongo.url lacks the rights {missing}: give it the role readWrite on mongo.database"
        );
        found.push(bad(SERVER, detail));
    }
    Ok(found)
}

async fn indexes(store: &Store) -> Result<Vec<Finding>> {
    let mut found = vec![match store.unique_index().await? {
        UniqueIndex::Present => good(INDEXES, store.index_names().await?.join(", ")),
        UniqueIndex::NotUnique(name) => {
            bad(INDEXES, StoreError::index_in_the_way(&name).to_string())
        }
        UniqueIndex::Missing => match store.blocks_unique_index().await? {
            Some(why) => bad(INDEXES, StoreError::NoUniqueIndex(why).to_string()),
            None => bad(
                INDEXES,
                "the unique index on codes.out_trade_no is missing; starting the api or the worker makes it",
            ),
        },
    }];
    for name in store.foreign_unique_indexes().await? {
        let detail = format!(
            "the unique index {name} of codes can refuse a code: drop it with db.codes.dropIndex(\"{name}\")"
        );
        found.push(bad(INDEXES, detail));
    }
    Ok(found)
}
