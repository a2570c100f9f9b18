//! Where pictures are taken in and read: so many at once, beside everything else.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    error::Error,
    turns::{BUSY, Turns, processors},
};

/// Pictures that arrive or wait, of up to 5 MB each.
const PLACES: usize = 16;
/// How long a picture that is here may wait to be read.
const PATIENCE: Duration = Duration::from_secs(3);

/// The places and the readers of a process.
pub(crate) struct Desk {
    places: Arc<Semaphore>,
    readers: Turns,
}

/// Held from before a picture arrives until it is read.
pub(crate) struct Place(OwnedSemaphorePermit);

impl Desk {
    /// One with readers for half of the cores.
    pub(crate) fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(PLACES)),
            readers: Turns::new(processors().div_ceil(2), PATIENCE),
        }
    }

    /// A place for a picture that is to arrive.
    pub(crate) fn place(&self) -> Result<Place, Error> {
        let place = self.places.clone().try_acquire_owned();
        place.map(Place).map_err(|_| BUSY)
    }

    /// Does `work` as soon as a reader is free. Goes on with it also when the client has left.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let read = move || {
            let _place = place.0;
            work()
        };
        self.readers.take(read).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use tokio::task::{JoinSet, yield_now};

    use super::*;

    #[tokio::test]
    async fn there_are_so_many_places_and_no_more() {
        let desk = Desk::new();
        let mut places: Vec<Place> = (0..PLACES).map(|_| desk.place().unwrap()).collect();
        assert!(matches!(desk.place(), Err(Error::Busy { .. })));
        places.pop();
        assert!(desk.place().is_ok());
    }

    #[tokio::test]
    async fn who_waits_too_long_for_a_reader_is_told_so_and_gives_the_place_back() {
        let patience = Duration::from_millis(50);
        let desk = Arc::new(Desk {
            readers: Turns::new(processors().div_ceil(2), patience),
            ..Desk::new()
        });
        let readers = desk.readers.free();
        let mut held = JoinSet::new();
        let mut release = Vec::new();
        for _ in 0..readers {
            let (sender, receiver) = channel::<()>();
            release.push(sender);
            let place = desk.place().unwrap();
            let desk = desk.clone();
            held.spawn(async move { desk.read(place, move || receiver.recv()).await });
        }
        while desk.readers.free() > 0 {
            yield_now().await;
        }
        let place = desk.place().unwrap();
        assert!(matches!(
            desk.read(place, || ()).await,
            Err(Error::Busy { .. })
        ));
        assert_eq!(desk.places.available_permits(), PLACES - readers);
        drop(release);
        let done = held.join_all().await;
        assert!(done.into_iter().all(|done| done.is_ok()));
        assert_eq!(desk.places.available_permits(), PLACES);
    }
}
