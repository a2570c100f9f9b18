//! Blocked owners: people whose codes an operator disabled.
//!
//! The collection `blocked_owners` decides. `code disable --owner` immediately applies it to codes and to the marks in
//! Redis. Every worker applies it again periodically, so that codes of later promotions are disabled too.

use std::time::Duration;

use futures::TryStreamExt;
use mongodb::bson::{Bson, DateTime, RawDocumentBuf, doc};
use serde::{Deserialize, Serialize};

use super::{
    Result, Store,
    decode::{decode, decode_all},
    is_duplicate, read,
};
use crate::order::OpenId;

/// Minimum age of a mark before its code is enabled again: a worker may still have the list from before a block.
const SETTLED_AFTER: Duration = Duration::from_secs(60);

/// A blocked owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlockedOwner {
    /// The person.
    #[serde(rename = "_id")]
    pub openid: OpenId,
    /// Since when.
    pub blocked_at: DateTime,
}

#[derive(Deserialize)]
struct Named {
    #[serde(rename = "_id")]
    openid: OpenId,
}

impl Store {
    /// Disables all codes of a person. Returns how many there are. Repeating it changes nothing.
    pub async fn block_owner(&self, openid: &OpenId) -> Result<u64> {
        let entry = doc! { "$setOnInsert": { "blocked_at": DateTime::now() } };
        let written = self
            .blocked_owners
            .update_one(doc! { "_id": openid.as_str() }, entry);
        match written.upsert(true).await {
            // A concurrent request blocks the same person.
            Err(error) if !is_duplicate(&error) => return Err(error.into()),
            Ok(_) | Err(_) => {}
        }
        self.take_down(std::slice::from_ref(openid)).await?;
        self.count_of(openid).await
    }

    /// Enables the codes of a person again, except those that were disabled one by one. Returns how many there are; none
    /// if the person was not blocked.
    pub async fn unblock_owner(&self, openid: &OpenId) -> Result<Option<u64>> {
        let entry = doc! { "_id": openid.as_str() };
        let deleted = self.blocked_owners.delete_one(entry).await?;
        let down = doc! { "openid": openid.as_str(), "owner_disabled_at": { "$ne": null } };
        let back = doc! { "$unset": { "owner_disabled_at": "" } };
        self.codes.update_many(down, back).await?;
        if deleted.deleted_count == 0 {
            return Ok(None);
        }
        Ok(Some(self.count_of(openid).await?))
    }

    /// All blocked owners, newest first.
    pub async fn blocked_owners(&self) -> Result<Vec<BlockedOwner>> {
        let owners = self.blocked_owners.clone_with_type::<RawDocumentBuf>();
        let all = owners.find(doc! {}).sort(doc! { "blocked_at": -1 });
        let all: Vec<RawDocumentBuf> = read(async { all.await?.try_collect().await }).await?;
        Ok(decode_all(owners.name(), &all))
    }

    /// All blocked openids, for code that enforces them: an unreadable document is an error, not a person who is not blocked.
    pub async fn blocked_openids(&self) -> Result<Vec<OpenId>> {
        let owners = self.blocked_owners.clone_with_type::<RawDocumentBuf>();
        let all = owners.find(doc! {}).projection(doc! { "_id": 1 });
        let all: Vec<RawDocumentBuf> = read(async { all.await?.try_collect().await }).await?;
        let openids = all.iter().map(|owner| {
            let Named { openid } = decode(owners.name(), owner)?;
            Ok(openid)
        });
        openids.collect()
    }

    /// Applies the list of blocked owners to the codes. Returns how many were disabled.
    pub async fn apply_blocks(&self, blocked: &[OpenId]) -> Result<u64> {
        let before = DateTime::now().timestamp_millis()
            - SETTLED_AFTER.as_millis().try_into().unwrap_or(i64::MAX);
        let left_over = doc! {
            "owner_disabled_at": { "$lt": DateTime::from_millis(before) },
            "openid": { "$nin": openids(blocked) },
        };
        let back = doc! { "$unset": { "owner_disabled_at": "" } };
        self.codes.update_many(left_over, back).await?;
        self.take_down(blocked).await
    }

    /// Disables all codes of these people. Returns how many were enabled.
    pub async fn take_down(&self, blocked: &[OpenId]) -> Result<u64> {
        if blocked.is_empty() {
            return Ok(0);
        }
        let shown = doc! { "openid": { "$in": openids(blocked) }, "owner_disabled_at": null };
        let down = doc! { "$set": { "owner_disabled_at": DateTime::now() } };
        Ok(self.codes.update_many(shown, down).await?.modified_count)
    }

    async fn count_of(&self, openid: &OpenId) -> Result<u64> {
        let codes = doc! { "openid": openid.as_str(), "deleted_at": null };
        Ok(self.codes.count_documents(codes).await?)
    }
}

fn openids(people: &[OpenId]) -> Vec<Bson> {
    people.iter().map(|openid| openid.as_str().into()).collect()
}
