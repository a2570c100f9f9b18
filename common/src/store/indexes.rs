//! The indexes. Promotions need the unique index on `out_trade_no`, so the worker checks it before it promotes.

use futures::TryStreamExt as _;
use mongodb::{
    IndexModel,
    bson::{Document, RawDocumentBuf, doc},
    error::{CommandError, Error, ErrorKind},
    options::IndexOptions,
};

use super::{DUPLICATE_KEY, Result, Store, StoreError, read};

/// The name of the unique index.
const UNIQUE: &str = "out_trade_no_1";
/// MongoDB's error code for a collection that does not exist.
const NO_COLLECTION: i32 = 26;
/// MongoDB's error codes for an index with the same name or keys but other options.
const CONFLICTS: [i32; 2] = [85, 86];

/// The state of the unique index, which prevents two codes for one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UniqueIndex {
    /// It exists.
    Present,
    /// It does not exist yet.
    Missing,
    /// Another index has its name or keys and is not unique.
    NotUnique(String),
}

impl Store {
    /// Creates missing indexes. An error about the unique one names what prevents it. The others only make lists fast, so
    /// one that exists with other options is only logged.
    pub async fn ensure_indexes(&self) -> Result<()> {
        match self.unique_index().await? {
            UniqueIndex::Present => {}
            UniqueIndex::NotUnique(name) => return Err(StoreError::index_in_the_way(&name)),
            UniqueIndex::Missing => self.make_unique().await?,
        }
        let codes = self.codes.clone_with_type::<Document>();
        let reports = self.reports.clone_with_type::<Document>();
        let owner = doc! { "openid": 1, "created_at": -1, "_id": -1 };
        let code = doc! { "code_id": 1, "created_at": -1, "_id": -1 };
        // Sparse: it contains only codes whose owner is blocked.
        let block = doc! { "owner_disabled_at": 1 };
        for (collection, keys, sparse) in [
            (&codes, owner, false),
            (&reports, code, false),
            (&codes, block, true),
        ] {
            let options = IndexOptions::builder()
                .sparse(sparse.then_some(true))
                .build();
            let index = IndexModel::builder().keys(keys).options(options).build();
            match collection.create_index(index).await {
                Err(error) if code_of(&error).is_some_and(|code| CONFLICTS.contains(&code)) => {
                    tracing::warn!(%error, mongo.collection = collection.name(), "an index has other options");
                }
                made => drop(made?),
            }
        }
        Ok(())
    }

    /// The state of the unique index. Changes nothing.
    pub async fn unique_index(&self) -> Result<UniqueIndex> {
        let is_it = |index: &IndexModel| {
            let keys = &index.keys;
            keys.len() == 1 && keys.contains_key("out_trade_no")
        };
        let indexes = self.indexes_of_codes().await?;
        if indexes.iter().any(|index| is_it(index) && is_unique(index)) {
            return Ok(UniqueIndex::Present);
        }
        let in_the_way = indexes
            .iter()
            .find(|index| is_it(index) || name_of(index) == UNIQUE);
        Ok(in_the_way.map_or(UniqueIndex::Missing, |index| {
            UniqueIndex::NotUnique(name_of(index))
        }))
    }

    /// The names of the indexes of `codes`.
    pub async fn index_names(&self) -> Result<Vec<String>> {
        Ok(self.indexes_of_codes().await?.iter().map(name_of).collect())
    }

    /// Names of foreign unique indexes in `codes`, which can refuse a code.
    pub async fn foreign_unique_indexes(&self) -> Result<Vec<String>> {
        let indexes = self.indexes_of_codes().await?;
        let foreign = indexes.iter().filter(|index| {
            let options = index.options.as_ref();
            let is_unique = options.is_some_and(|options| options.unique == Some(true));
            is_unique && !index.keys.contains_key("out_trade_no")
        });
        Ok(foreign.map(name_of).collect())
    }

    /// What prevents the unique index from being built, if known. Changes nothing.
    pub async fn blocks_unique_index(&self) -> Result<Option<String>> {
        let codes = self.codes.clone_with_type::<RawDocumentBuf>();
        let without = codes.count_documents(doc! { "out_trade_no": null });
        let without = read(without.limit(2)).await?;
        if without > 1 {
            return Ok(Some(OLD_DOCUMENTS.to_owned()));
        }
        let shared = async {
            let shared = codes.aggregate([
                doc! { "$group": { "_id": "$out_trade_no", "codes": { "$sum": 1 } } },
                doc! { "$match": { "codes": { "$gt": 1 } } },
                doc! { "$limit": 1 },
            ]);
            shared.await?.try_next().await
        };
        Ok(read(shared).await?.map(|shared| {
            let number = shared.get("_id").map(ToString::to_string);
            format!(
                "several documents in codes have out_trade_no {}: keep one of them",
                number.unwrap_or_default()
            )
        }))
    }

    async fn make_unique(&self) -> Result<()> {
        let options = IndexOptions::builder().unique(true).build();
        let index = IndexModel::builder()
            .keys(doc! { "out_trade_no": 1 })
            .options(options)
            .build();
        let Err(error) = self.codes.create_index(index).await else {
            return Ok(());
        };
        match code_of(&error) {
            Some(DUPLICATE_KEY) => {
                let why = self.blocks_unique_index().await.ok().flatten();
                Err(StoreError::NoUniqueIndex(
                    why.unwrap_or_else(|| error.to_string()),
                ))
            }
            Some(code) if CONFLICTS.contains(&code) => Err(StoreError::index_in_the_way(UNIQUE)),
            _ => Err(error.into()),
        }
    }

    async fn indexes_of_codes(&self) -> Result<Vec<IndexModel>> {
        let indexes = async { self.codes.list_indexes().await?.try_collect().await };
        match read(indexes).await {
            Err(StoreError::Mongo(error)) if code_of(&error) == Some(NO_COLLECTION) => {
                Ok(Vec::new())
            }
            indexes => indexes,
        }
    }
}

/// The advice about documents of an older service.
const OLD_DOCUMENTS: &str = "documents in codes have no out_trade_no, perhaps those of another service: set mongo.database to \
     a new name, or rename that collection with db.codes.renameCollection(\"codes_old\")";

impl StoreError {
    /// The error for an index that conflicts with the unique one.
    pub fn index_in_the_way(name: &str) -> Self {
        Self::NoUniqueIndex(format!(
            "the index {name} takes its place and is not unique; drop it with db.codes.dropIndex(\"{name}\"), and the \
             worker makes the right one"
        ))
    }
}

fn is_unique(index: &IndexModel) -> bool {
    index.options.as_ref().is_some_and(|options| {
        options.unique == Some(true) && options.partial_filter_expression.is_none()
    })
}

fn name_of(index: &IndexModel) -> String {
    let options = index.options.as_ref();
    options
        .and_then(|options| options.name.clone())
        .unwrap_or_default()
}

/// MongoDB's error code of a failed command.
pub(super) fn code_of(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(CommandError { code, .. }) => Some(*code),
        _ => None,
    }
}
