//! Where pictures are taken in and read: so many at once, and so many of each client.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    error::Error,
    shares::{Share, Shares},
    turns::{BUSY, Turns, processors},
};

/// Pictures of one client that arrive, wait or are read.
const OF_CLIENT: usize = 2;
/// Bytes of all pictures that arrive, wait or are read.
const BYTES: usize = 80 * 1024 * 1024;
/// Pictures that are here and wait or are read.
const PLACES: usize = 16;
/// How long a client may wait until one of its pictures is read, and how long a picture that is here may wait to be read.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a process has for pictures.
pub(crate) struct Desk {
    shares: Arc<Shares>,
    bytes: Arc<Semaphore>,
    places: Arc<Semaphore>,
    readers: Turns,
    patience: Duration,
}

/// A picture that arrives, and what it takes of the desk until it is read.
pub(crate) struct UploadPermit {
    client: IpAddr,
    _share: Share,
    bytes: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
}

impl Desk {
    /// One with readers for half of the cores.
    pub(crate) fn new() -> Self {
        Self {
            shares: Shares::new(OF_CLIENT),
            bytes: Arc::new(Semaphore::new(BYTES)),
            places: Arc::new(Semaphore::new(PLACES)),
            readers: Turns::new(processors().div_ceil(2), PATIENCE),
            patience: PATIENCE,
        }
    }

    /// Waits until `client` may send a picture.
    pub(crate) async fn upload(&self, client: IpAddr) -> Result<UploadPermit, Error> {
        let share = timeout(self.patience, self.shares.wait(client)).await;
        let Ok(Some(share)) = share else {
            return Err(BUSY);
        };
        Ok(UploadPermit {
            client,
            _share: share,
            bytes: self.bytes.clone(),
            taken: None,
        })
    }

    /// Does `work` on a picture that is here, as soon as a reader is free. Goes on with it also when the client has
    /// left.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        upload: UploadPermit,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| BUSY)?;
        let client = upload.client;
        let read = move || {
            let _held = (place, upload);
            work()
        };
        self.readers.take(client, read).await
    }
}

impl UploadPermit {
    /// Makes room for so many bytes more.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Error> {
        let bytes = u32::try_from(bytes).map_err(|_| BUSY)?;
        let more = self.bytes.clone().try_acquire_many_owned(bytes);
        let more = more.map_err(|_| BUSY)?;
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use tokio::task::{JoinSet, yield_now};

    use super::*;

    const MIB: usize = 1024 * 1024;

    fn client(number: u8) -> IpAddr {
        IpAddr::from([198, 51, 100, number])
    }

    /// A desk with little patience.
    fn desk() -> Desk {
        Desk {
            readers: Turns::new(processors().div_ceil(2), Duration::from_millis(50)),
            patience: Duration::from_millis(50),
            ..Desk::new()
        }
    }

    #[tokio::test]
    async fn pictures_that_arrive_take_bytes_and_no_places() {
        let desk = desk();
        let mut uploads = Vec::new();
        for number in 0..40 {
            let mut upload = desk.upload(client(number)).await.unwrap();
            upload.grow(MIB).unwrap();
            upload.grow(MIB).unwrap();
            uploads.push(upload);
        }
        assert_eq!(desk.places.available_permits(), PLACES);
        let mut late = desk.upload(client(50)).await.unwrap();
        assert!(matches!(late.grow(1), Err(Error::Busy { .. })));
        uploads.pop();
        late.grow(2 * MIB).unwrap();
        drop((uploads, late));
        assert_eq!(desk.bytes.available_permits(), BYTES);
    }

    #[tokio::test]
    async fn a_client_sends_two_pictures_at_a_time() {
        let desk = desk();
        let _first = desk.upload(client(1)).await.unwrap();
        let second = desk.upload(client(1)).await.unwrap();
        let third = desk.upload(client(1)).await;
        assert!(matches!(third, Err(Error::Busy { .. })));
        assert!(desk.upload(client(2)).await.is_ok());
        drop(second);
        assert!(desk.upload(client(1)).await.is_ok());
    }

    #[tokio::test]
    async fn who_waits_too_long_for_a_reader_is_told_so_and_gives_the_place_back() {
        let desk = Arc::new(desk());
        let readers = desk.readers.free();
        let mut held = JoinSet::new();
        let mut release = Vec::new();
        for number in 0..readers {
            let (sender, receiver) = channel::<()>();
            release.push(sender);
            let desk = desk.clone();
            let client = client(u8::try_from(number).unwrap());
            held.spawn(async move {
                let upload = desk.upload(client).await?;
                desk.read(upload, move || receiver.recv()).await
            });
        }
        while desk.readers.free() > 0 {
            yield_now().await;
        }
        let upload = desk.upload(client(100)).await.unwrap();
        assert!(matches!(
            desk.read(upload, || ()).await,
            Err(Error::Busy { .. })
        ));
        assert_eq!(desk.places.available_permits(), PLACES - readers);
        drop(release);
        let done = held.join_all().await;
        assert!(done.into_iter().all(|done| done.is_ok()));
        assert_eq!(desk.places.available_permits(), PLACES);
    }
}
