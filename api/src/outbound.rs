//! Bytes of answers that wait to be sent.
//!
//! A client that asks for much and reads nothing would have the api keep all of it. So a large answer takes a permit for
//! its bytes, which is given back when hyper has taken the last of them, or the connection ends. hyper itself keeps at
//! most 48 KiB for each connection, since it is handed pieces rather than whole answers.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    response::Response,
};
use hyper::body::{Frame, SizeHint};

use crate::error::Error;

/// Answers of up to so many bytes need no permit. Pages of codes are shorter.
const SMALL: u64 = 16 * 1024;
/// Bytes that hyper is given at a time.
const PIECE: usize = 16 * 1024;
/// Bytes of all large answers.
const TOTAL: u64 = 64 * 1024 * 1024;
/// Bytes of the large answers of one client.
const SHARE: u64 = TOTAL / 8;

/// The bytes of large answers that wait to be sent, in all and by client.
#[derive(Default)]
pub(crate) struct Outbound(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    total: u64,
    by_client: HashMap<IpAddr, u64>,
}

impl Outbound {
    /// Lets `response` go to `client`, unless too much waits already.
    pub(crate) fn admit(
        self: &Arc<Self>,
        client: IpAddr,
        response: Response,
    ) -> Result<Response, Error> {
        let length = response.body().size_hint().lower();
        if length <= SMALL {
            return Ok(response);
        }
        let permit = self.permit(client, length).ok_or(Error::Congested)?;
        Ok(response.map(|body| {
            Body::new(Pieces {
                body,
                taken: Bytes::new(),
                left: length,
                _permit: permit,
            })
        }))
    }

    /// An answer that is longer than a whole share may go when its client waits for no other.
    fn permit(self: &Arc<Self>, client: IpAddr, length: u64) -> Option<Permit> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = waiting.by_client.get(&client).copied().unwrap_or_default();
        let fits = |waiting: u64, most: u64| waiting == 0 || waiting + length <= most;
        if !fits(own, SHARE) || !fits(waiting.total, TOTAL) {
            return None;
        }
        waiting.total += length;
        waiting.by_client.insert(client, own + length);
        Some(Permit {
            outbound: self.clone(),
            client,
            length,
        })
    }
}

struct Permit {
    outbound: Arc<Outbound>,
    client: IpAddr,
    length: u64,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut waiting = self
            .outbound
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        waiting.total -= self.length;
        if let Entry::Occupied(mut own) = waiting.by_client.entry(self.client) {
            *own.get_mut() -= self.length;
            if *own.get() == 0 {
                own.remove();
            }
        }
    }
}

/// A body that is handed on in pieces.
struct Pieces {
    body: Body,
    /// What the body gave and has not been handed on.
    taken: Bytes,
    left: u64,
    _permit: Permit,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if this.taken.is_empty() {
            let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => this.taken = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let piece = this.taken.split_to(this.taken.len().min(PIECE));
        this.left = this.left.saturating_sub(piece.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.taken.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn answer(length: usize) -> Response {
        Response::new(Body::from(vec![7; length]))
    }

    fn client(number: u8) -> IpAddr {
        IpAddr::from([198, 51, 100, number])
    }

    #[tokio::test]
    async fn a_large_answer_arrives_whole_and_in_pieces() {
        const LENGTH: usize = 100 * 1024 + 1;
        let outbound = Arc::new(Outbound::default());
        let mut body = outbound.admit(CLIENT, answer(LENGTH)).unwrap().into_body();
        assert_eq!(body.size_hint().exact(), Some(LENGTH as u64));
        let mut read = 0;
        while let Some(frame) = body.frame().await {
            let piece = frame.unwrap().into_data().unwrap();
            assert!(piece.len() <= PIECE && piece.iter().all(|byte| *byte == 7));
            read += piece.len();
            assert_eq!(body.is_end_stream(), read == LENGTH);
        }
        assert_eq!(read, LENGTH);
        drop(body);
        let waiting = outbound.0.lock().unwrap();
        assert_eq!((waiting.total, waiting.by_client.len()), (0, 0));
    }

    #[test]
    fn a_client_has_a_share_and_all_have_a_bound() {
        let outbound = Arc::new(Outbound::default());
        let length = usize::try_from(SHARE / 4).unwrap();
        let admit = |number| outbound.admit(client(number), answer(length));
        let mut waiting: Vec<_> = (0..4).map(|_| admit(0).unwrap()).collect();
        assert!(matches!(admit(0), Err(Error::Congested)));
        for number in 1..8 {
            waiting.extend((0..4).map(|_| admit(number).unwrap()));
        }
        assert!(matches!(admit(8), Err(Error::Congested)));
        // Small ones are always sent.
        assert!(outbound.admit(client(0), answer(1024)).is_ok());
        waiting.remove(0);
        assert!(admit(8).is_ok());
    }

    #[test]
    fn one_answer_that_is_longer_than_a_share_is_sent_alone() {
        let outbound = Arc::new(Outbound::default());
        let length = usize::try_from(SHARE * 2).unwrap();
        let first = outbound.admit(CLIENT, answer(length)).unwrap();
        assert!(outbound.admit(CLIENT, answer(length)).is_err());
        drop(first);
        assert!(outbound.admit(CLIENT, answer(length)).is_ok());
    }
}
