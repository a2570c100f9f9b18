//! Limits picture uploads: bytes in total, and pictures per client.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::time::timeout;

use crate::{
    http::{
        error::Error,
        pool::{Bounds, Pool, Reservation},
        shares::{Share, Shares},
    },
    pictures::cpu_permits::{BUSY, CpuPermits, processors},
};

/// Limit of one client's pictures in flight (arriving, waiting or being decoded).
const OF_CLIENT: usize = 2;
/// Limit of the bytes of all pictures in flight.
const BYTES: u64 = 80 * 1024 * 1024;
/// A client is limited by its number of pictures.
const BOUNDS: Bounds = Bounds::new(BYTES, u64::MAX);
/// How long a client may wait for a slot, and how long a received picture may wait for a CPU permit.
const PATIENCE: Duration = Duration::from_secs(3);

/// The upload slots of a process.
pub(crate) struct UploadSlots {
    shares: Arc<Shares>,
    bytes: Arc<Pool>,
    readers: CpuPermits,
    patience: Duration,
}

/// A picture in flight and the resources that it holds until it is decoded.
pub(crate) struct UploadPermit {
    client: IpAddr,
    _share: Share,
    bytes: Reservation,
}

impl UploadSlots {
    /// Creates slots with CPU permits for half of the cores.
    pub(crate) fn new() -> Self {
        Self {
            shares: Shares::new(OF_CLIENT),
            bytes: Arc::default(),
            readers: CpuPermits::new(processors().div_ceil(2), PATIENCE),
            patience: PATIENCE,
        }
    }

    /// Waits until `client` may send a picture.
    pub(crate) async fn upload(&self, client: IpAddr) -> Result<UploadPermit, Error> {
        let share = timeout(self.patience, self.shares.wait(client)).await;
        let Ok(Some(share)) = share else {
            return Err(BUSY);
        };
        let bytes = self.bytes.reserve(client, 0, BOUNDS).map_err(|_| BUSY)?;
        Ok(UploadPermit {
            client,
            _share: share,
            bytes,
        })
    }

    /// Runs `work` on a received picture when a CPU permit is free. Continues even if the client disconnects.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        upload: UploadPermit,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let client = upload.client;
        let read = move || {
            let _reservation = upload;
            work()
        };
        self.readers.take(client, read).await
    }
}

impl UploadPermit {
    /// Reserves `bytes` more.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Error> {
        self.bytes.grow(bytes as u64, BOUNDS).map_err(|_| BUSY)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use tokio::task::{JoinSet, yield_now};

    use super::*;

    const MIB: usize = 1024 * 1024;

    /// A client of a different site for each number.
    fn client(number: u8) -> IpAddr {
        IpAddr::from([198, 51, number, 1])
    }

    /// A client of the same /48 for each number.
    fn client_of_site(number: u16) -> IpAddr {
        IpAddr::from([0x2001, 0xdb8, 0, number, 0, 0, 0, 0])
    }

    /// Slots with a short timeout.
    fn slots() -> UploadSlots {
        UploadSlots {
            readers: CpuPermits::new(processors().div_ceil(2), Duration::from_millis(50)),
            patience: Duration::from_millis(50),
            ..UploadSlots::new()
        }
    }

    #[tokio::test]
    async fn pictures_that_arrive_take_bytes() {
        let slots = slots();
        let mut uploads = Vec::new();
        for number in 0..40 {
            let mut upload = slots.upload(client(number)).await.unwrap();
            upload.grow(MIB).unwrap();
            upload.grow(MIB).unwrap();
            uploads.push(upload);
        }
        let mut late = slots.upload(client(50)).await.unwrap();
        assert!(matches!(late.grow(1), Err(Error::Busy { .. })));
        uploads.pop();
        late.grow(2 * MIB).unwrap();
        drop((uploads, late));
        assert_eq!(slots.bytes.total(), 0);
    }

    #[tokio::test]
    async fn the_clients_of_one_site_leave_bytes_to_others() {
        let slots = slots();
        let mut uploads = Vec::new();
        for number in 0..100 {
            let mut upload = slots.upload(client_of_site(number)).await.unwrap();
            if upload.grow(MIB).is_ok() {
                uploads.push(upload);
            }
        }
        assert_eq!(uploads.len(), 20);
        let mut other = slots.upload(client(1)).await.unwrap();
        other.grow(5 * MIB).unwrap();
    }

    #[tokio::test]
    async fn another_site_is_next_however_many_clients_wait_of_one() {
        let slots = Arc::new(UploadSlots::new());
        let readers = slots.readers.free();
        let (done, order) = channel();
        let mut release = Vec::new();
        let mut reading = JoinSet::new();
        let mut read = |client: IpAddr, work: Box<dyn FnOnce() + Send>| {
            let slots = slots.clone();
            reading.spawn(async move {
                let upload = slots.upload(client).await?;
                slots.read(upload, work).await
            });
        };
        // Each permit is held by a different site.
        for number in 0..readers {
            let (sender, receiver) = channel::<()>();
            release.push(sender);
            let busy = Box::new(move || receiver.recv().unwrap_or_default());
            read(client(u8::try_from(number).unwrap()), busy);
        }
        while slots.readers.free() > 0 {
            yield_now().await;
        }
        let other = client(100);
        for client in (0..40).map(client_of_site).chain([other]) {
            let done = done.clone();
            read(client, Box::new(move || done.send(client).unwrap()));
            // Queue in order.
            yield_now().await;
        }
        drop(release);
        let read = reading.join_all().await;
        assert!(read.iter().all(Result::is_ok));
        let place = order.try_iter().position(|client| client == other).unwrap();
        // The other site waits for at most one picture at each permit, plus what was read by then.
        assert!(place <= 2 * readers, "{place}");
    }

    #[tokio::test]
    async fn a_client_sends_two_pictures_at_a_time() {
        let slots = slots();
        let _first = slots.upload(client(1)).await.unwrap();
        let second = slots.upload(client(1)).await.unwrap();
        let third = slots.upload(client(1)).await;
        assert!(matches!(third, Err(Error::Busy { .. })));
        assert!(slots.upload(client(2)).await.is_ok());
        drop(second);
        assert!(slots.upload(client(1)).await.is_ok());
    }

    #[tokio::test]
    async fn who_waits_too_long_for_a_reader_is_told_so_and_gives_the_bytes_back() {
        let slots = Arc::new(slots());
        let readers = slots.readers.free();
        let mut held = JoinSet::new();
        let mut release = Vec::new();
        for number in 0..readers {
            let (sender, receiver) = channel::<()>();
            release.push(sender);
            let slots = slots.clone();
            let client = client(u8::try_from(number).unwrap());
            held.spawn(async move {
                let upload = slots.upload(client).await?;
                slots.read(upload, move || receiver.recv()).await
            });
        }
        while slots.readers.free() > 0 {
            yield_now().await;
        }
        let mut upload = slots.upload(client(100)).await.unwrap();
        upload.grow(MIB).unwrap();
        assert!(matches!(
            slots.read(upload, || ()).await,
            Err(Error::Busy { .. })
        ));
        assert_eq!(slots.bytes.total(), 0);
        drop(release);
        let done = held.join_all().await;
        assert!(done.into_iter().all(|done| done.is_ok()));
    }
}
