//! Options of the driver.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use mongodb::{
    event::{EventHandler, sdam::SdamEvent},
    options::{
        Acknowledgment, ClientOptions, ConnectionString, ReadPreference, SelectionCriteria, Tls,
        WriteConcern,
    },
};
use secrecy::ExposeSecret as _;

use crate::{config, roots};

const SELECT_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Shorter than the idle timeout of load balancers (240 s and more).
const MAX_IDLE: Duration = Duration::from_secs(60);

/// The options for `mongo.url`. Whatever the URL says, every write is acknowledged by a majority and journaled, and every
/// read asks the primary.
pub(super) async fn options(
    config: &config::Mongo,
    member_changes: Arc<AtomicU32>,
) -> anyhow::Result<ClientOptions> {
    // The error of this step may quote the password; that of the next one cannot.
    let url = ConnectionString::parse(config.url.expose_secret())
        .map_err(|_| anyhow!("mongo.url is not a valid MongoDB URL"))?;
    let mut options = ClientOptions::parse(url).await.context("read mongo.url")?;
    options.app_name = Some("heyi".to_owned());
    options.server_selection_timeout = Some(SELECT_TIMEOUT);
    options.connect_timeout = Some(CONNECT_TIMEOUT);
    options.max_idle_time = options.max_idle_time.or(Some(MAX_IDLE));
    options.write_concern = Some(
        WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .journal(true)
            .build(),
    );
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    options.sdam_event_handler = Some(count_member_changes(member_changes));
    if let Some(Tls::Enabled(tls)) = &mut options.tls {
        if !config.ca_file.is_empty() {
            tls.ca_file_path = Some(PathBuf::from(&config.ca_file));
        }
        // Without a file, the driver trusts webpki-roots.
        tls.ca_file_path = tls.ca_file_path.take().or_else(roots::system_file);
    }
    Ok(options)
}

fn count_member_changes(count: Arc<AtomicU32>) -> EventHandler<SdamEvent> {
    EventHandler::callback(move |event| {
        if matches!(event, SdamEvent::ServerDescriptionChanged(_)) {
            count.fetch_add(1, Ordering::AcqRel);
        }
    })
}
