//! MongoDB: codes, mappings, and all other records.

mod audit;
mod changes;
mod code;
mod decode;
mod error;
mod explain;
mod indexes;
mod inserts;
mod installation;
mod list;
mod options;
mod owner;
mod part;
mod reads;
mod refund;
mod report;
mod scans;
mod update;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use mongodb::{
    Client, Collection, Database,
    bson::{DateTime, RawDocumentBuf, doc, oid::ObjectId},
    error::{ErrorKind, WriteFailure},
    options::{ClientOptions, ReadConcern},
};
use tokio::time::timeout;

pub use audit::AuditRecord;
pub use changes::CodeChanges;
pub use code::{Change, Code, CodeState, Mapping};
pub use error::StoreError;
pub use indexes::UniqueIndex;
pub use installation::StoredRecord;
pub use list::{CHANGES_OF_A_PAGE, CODES_OF_A_PAGE, ChangeNumber, CodeCursor, CursorError, Page};
pub use owner::BlockedOwner;
pub use part::{CodePart, ListedCode, Listing, Scanned};
pub use refund::{Existing, RefundClaim, RefundRecord};
pub use report::{
    MAX_REPORT_CONTACT, MAX_REPORT_TEXT, MAX_REPORTS_OF_A_CODE, Reason, Recorded, Report,
    ReportContact, ReportCounts, ReportSummary, ReportText, Reporter,
};
pub(crate) use scans::batches;
pub use scans::{KeptScans, ScanCount};
pub use update::{CHANGES_KEPT, Update};

use self::{
    decode::decode,
    indexes::code_of,
    inserts::{Inserted, Inserts},
    reads::Reads,
};
use crate::{config, http, order::OutTradeNo, outage::StoreName};

/// Timeout of a read that must be certain.
const CERTAIN_WITHIN: Duration = Duration::from_secs(2);
/// Timeout of a read. The driver notices a server that hangs only after about 12 s.
const READ_WITHIN: Duration = Duration::from_secs(5);
const DUPLICATE_KEY: i32 = 11000;
/// MongoDB's error code for a command that only a replica set supports.
const NOT_A_REPLICA_SET: i32 = 123;

/// The database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    options: ClientOptions,
    member_changes: Arc<AtomicU32>,
    database: Database,
    codes: Collection<Code>,
    scanned: Reads,
    mappings: Collection<Mapping>,
    new_codes: Inserts,
    new_mappings: Inserts,
    refunds: Collection<RefundRecord>,
    reports: Collection<Report>,
    report_counts: Collection<ReportCounts>,
    blocked_owners: Collection<BlockedOwner>,
    scans: Collection<KeptScans>,
}

/// The result of a request to MongoDB.
pub type Result<T> = std::result::Result<T, StoreError>;

impl Store {
    /// A handle that connects when it is first used. Whatever the URL says, every write is acknowledged by a majority and
    /// journaled, and every read asks the primary.
    pub async fn new(config: &config::Mongo) -> anyhow::Result<Self> {
        http::install_tls();
        let member_changes = Arc::new(AtomicU32::new(0));
        let options = options::options(config, member_changes.clone()).await?;
        let store = Self::connect(options, member_changes, &config.database);
        let store = store.context("set up MongoDB")?;
        StoreName::MongoDb.set_address(store.address());
        Ok(store)
    }

    /// A handle with its own connections, which belong to the calling runtime: an answer that arrives in one runtime
    /// reaches another one late.
    pub fn with_own_connections(&self) -> Result<Self> {
        let (options, changes) = (self.options.clone(), self.member_changes.clone());
        Ok(Self::connect(options, changes, self.database.name())?)
    }

    fn connect(
        options: ClientOptions,
        member_changes: Arc<AtomicU32>,
        database: &str,
    ) -> mongodb::error::Result<Self> {
        let database = Client::with_options(options.clone())?.database(database);
        Ok(Self {
            options,
            member_changes,
            codes: database.collection("codes"),
            scanned: Reads::new(database.collection("codes")),
            mappings: database.collection("mappings"),
            new_codes: Inserts::new(database.collection("codes")),
            new_mappings: Inserts::new(database.collection("mappings")),
            refunds: database.collection("refunds"),
            reports: database.collection("reports"),
            report_counts: database.collection("report_counts"),
            blocked_owners: database.collection("blocked_owners"),
            scans: database.collection("scans"),
            database,
        })
    }

    /// Number of times that this handle, or one [with its own connections](Self::with_own_connections), saw a member of
    /// MongoDB change its role. Earlier reads may come from a former primary or be rolled back. A failover behind a mongos
    /// is not seen.
    pub fn member_changes(&self) -> u32 {
        self.member_changes.load(Ordering::Acquire)
    }

    /// Succeeds if MongoDB answers, has a primary, and lets this user read codes. A `ping` would need no login.
    pub async fn ping(&self) -> Result<()> {
        let codes = self.codes.clone_with_type::<RawDocumentBuf>();
        read(codes.find_one(doc! { "_id": null })).await?;
        Ok(())
    }

    /// Whether the server is a member of a replica set, so that a majority means more than itself.
    pub async fn is_replica_set(&self) -> Result<bool> {
        let hello = self.database.run_command(doc! { "hello": 1 }).await?;
        Ok(
            hello.contains_key("setName")
                || hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid"),
        )
    }

    /// The code with this id, deleted or not.
    pub async fn code(&self, id: ObjectId) -> Result<Option<Code>> {
        let codes = self.codes.clone_with_type::<RawDocumentBuf>();
        let code = codes.find_one(doc! { "_id": id });
        let found = read(code.projection(doc! { "changes": 0 })).await?;
        found.map(|code| decode("codes", &code)).transpose()
    }

    /// Applies `look` to the code with this id, deleted or not. For concurrent scans: one command reads several codes, each
    /// with its own outcome. Where hundreds a second are scanned, it waits a few ms to fill a batch.
    pub async fn scanned<T>(
        &self,
        id: ObjectId,
        look: impl FnOnce(Scanned) -> T,
    ) -> Result<Option<T>> {
        let found = timeout(READ_WITHIN, self.scanned.code(id)).await;
        let Some(document) = found.unwrap_or(Err(StoreError::Slow))? else {
            return Ok(None);
        };
        Ok(Some(look(decode("codes", &document)?)))
    }

    /// The mapping of an order that became a code, if a majority has it. It ends an event, so a failover must not roll it
    /// back.
    pub async fn mapping(&self, out_trade_no: &OutTradeNo) -> Result<Option<Mapping>> {
        self.find_mapping(out_trade_no, ReadConcern::majority())
            .await
    }

    /// Like [`mapping`](Self::mapping), but `None` is certain. Right after a failover, a majority read may lag behind
    /// acknowledged writes. Costs as much as a write.
    pub async fn mapping_for_certain(&self, out_trade_no: &OutTradeNo) -> Result<Option<Mapping>> {
        match self
            .find_mapping(out_trade_no, ReadConcern::linearizable())
            .await
        {
            // A single server has no lag.
            Err(StoreError::Mongo(error)) if code_of(&error) == Some(NOT_A_REPLICA_SET) => {
                self.mapping(out_trade_no).await
            }
            found => found,
        }
    }

    async fn find_mapping(
        &self,
        out_trade_no: &OutTradeNo,
        concern: ReadConcern,
    ) -> Result<Option<Mapping>> {
        let mappings = self.mappings.clone_with_type::<RawDocumentBuf>();
        let mut mapping = mappings.find_one(doc! { "_id": out_trade_no.as_str() });
        if concern == ReadConcern::linearizable() {
            mapping = mapping.max_time(CERTAIN_WITHIN);
        }
        let found = read(mapping.read_concern(concern)).await?;
        found
            .map(|mapping| decode(self.mappings.name(), &mapping))
            .transpose()
    }

    /// Writes a code. If its order has one already, or can have none, returns that and writes nothing.
    pub async fn insert_code(&self, code: &Code) -> Result<Option<Existing>> {
        match self.new_codes.insert(code).await? {
            Inserted::Written => Ok(None),
            Inserted::Duplicate => {
                let existing = self.existing(&code.out_trade_no).await?;
                existing
                    .map(Some)
                    .ok_or_else(|| StoreError::NotYetSafe(code.out_trade_no.clone()))
            }
        }
    }

    /// Writes a mapping. If one exists, returns that and writes nothing.
    pub async fn insert_mapping(&self, mapping: &Mapping) -> Result<Option<Mapping>> {
        match self.new_mappings.insert(mapping).await? {
            Inserted::Written => Ok(None),
            Inserted::Duplicate => {
                let earlier = self.mapping(&mapping.out_trade_no).await?;
                earlier
                    .map(Some)
                    .ok_or_else(|| StoreError::NotYetSafe(mapping.out_trade_no.clone()))
            }
        }
    }

    /// Marks a code as deleted by its owner; the payment stays on record. Repeating it changes nothing.
    pub async fn delete(&self, id: ObjectId) -> Result<()> {
        let present = doc! { "_id": id, "deleted_at": null };
        self.codes
            .update_one(present, doc! { "$set": { "deleted_at": DateTime::now() } })
            .await?;
        Ok(())
    }

    /// Disables a code's page or enables it again. False if the code does not exist.
    pub async fn set_disabled(&self, id: ObjectId, disabled: bool) -> Result<bool> {
        let change = if disabled {
            doc! { "$set": { "disabled_at": DateTime::now() } }
        } else {
            doc! { "$unset": { "disabled_at": "" } }
        };
        Ok(self
            .codes
            .update_one(doc! { "_id": id }, change)
            .await?
            .matched_count
            == 1)
    }

    /// Drops the whole database. For throw-away databases of tests.
    pub async fn drop_database(&self) -> Result<()> {
        self.database.drop().await?;
        Ok(())
    }
}

/// Bounds the time of a read.
async fn read<T>(
    answer: impl IntoFuture<Output = std::result::Result<T, mongodb::error::Error>>,
) -> Result<T> {
    match timeout(READ_WITHIN, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(StoreError::Slow),
    }
}

fn is_duplicate(error: &mongodb::error::Error) -> bool {
    matches!(&*error.kind, ErrorKind::Write(WriteFailure::WriteError(write)) if write.code == DUPLICATE_KEY)
}
