//! Limits the response bytes that wait to be sent.
//!
//! A client that requests much and reads nothing would fill the api's memory. So each large response takes a permit for
//! its bytes. The permit is released when hyper has taken the last byte, or the connection ends. Responses are passed
//! to hyper in pieces, so hyper buffers at most 48 KiB for each connection.

use std::{
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    response::Response,
};
use hyper::body::{Frame, SizeHint};

use crate::http::{
    error::Error,
    pool::{Bounds, Pool, Reservation},
};

/// Responses up to this size need no permit. Pages of codes are shorter.
const SMALL: u64 = 16 * 1024;
/// Size of the pieces passed to hyper.
const PIECE: usize = 16 * 1024;
/// Limit for all large responses, in bytes.
const TOTAL: u64 = 64 * 1024 * 1024;
/// Limit for the large responses of one client, in bytes.
const SHARE: u64 = TOTAL / 8;
/// A longer response is admitted when its client has no other in flight.
const BOUNDS: Bounds = Bounds::new(TOTAL, SHARE);

/// The bytes of large responses that wait to be sent.
#[derive(Default)]
pub(crate) struct Outbound(Arc<Pool>);

impl Outbound {
    /// Admits `response` to `client`, unless too many bytes wait already.
    pub(crate) fn admit(&self, client: IpAddr, response: Response) -> Result<Response, Error> {
        let length = response.body().size_hint().lower();
        if length <= SMALL {
            return Ok(response);
        }
        let held = self.0.reserve(client, length, BOUNDS);
        let permit = held.map_err(|_| Error::Congested)?;
        Ok(response.map(|body| {
            Body::new(Pieces {
                body,
                taken: Bytes::new(),
                left: length,
                _permit: permit,
            })
        }))
    }
}

/// A body that is passed on in pieces.
struct Pieces {
    body: Body,
    /// Received from the body and not passed on yet.
    taken: Bytes,
    left: u64,
    _permit: Reservation,
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

    /// A client of a different site for each number.
    fn client(number: u8) -> IpAddr {
        IpAddr::from([198, 51, number, 1])
    }

    #[tokio::test]
    async fn a_large_answer_arrives_whole_and_in_pieces() {
        const LENGTH: usize = 100 * 1024 + 1;
        let outbound = Outbound::default();
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
        assert_eq!(outbound.0.total(), 0);
    }

    #[test]
    fn a_client_has_a_share_and_all_have_a_bound() {
        let outbound = Outbound::default();
        let length = usize::try_from(SHARE / 4).unwrap();
        let admit = |number| outbound.admit(client(number), answer(length));
        let mut waiting: Vec<_> = (0..4).map(|_| admit(0).unwrap()).collect();
        assert!(matches!(admit(0), Err(Error::Congested)));
        for number in 1..8 {
            waiting.extend((0..4).map(|_| admit(number).unwrap()));
        }
        assert!(matches!(admit(8), Err(Error::Congested)));
        // Small responses are always admitted.
        assert!(outbound.admit(client(0), answer(1024)).is_ok());
        waiting.remove(0);
        assert!(admit(8).is_ok());
    }

    #[test]
    fn the_clients_of_one_site_leave_room_to_others() {
        let outbound = Outbound::default();
        let length = usize::try_from(SHARE / 4).unwrap();
        let admit = |client: IpAddr| outbound.admit(client, answer(length));
        // As many as the total admits: each from one person's /48, with one client's share.
        let of_site = (0..64u16).map(|number| [0x2001, 0xdb8, 0, number, 0, 0, 0, 0]);
        let asked = of_site.flat_map(|client| [client; 4]);
        let waiting: Vec<_> = asked
            .filter_map(|client| admit(client.into()).ok())
            .collect();
        assert_eq!(waiting.len() * length, 16 * 1024 * 1024);
        let others: Vec<_> = (0..12)
            .filter_map(|number| admit(client(number)).ok())
            .collect();
        assert_eq!(others.len(), 12);
    }

    #[test]
    fn one_answer_that_is_longer_than_a_share_is_sent_alone() {
        let outbound = Outbound::default();
        let length = usize::try_from(SHARE * 2).unwrap();
        let first = outbound.admit(CLIENT, answer(length)).unwrap();
        assert!(outbound.admit(CLIENT, answer(length)).is_err());
        drop(first);
        assert!(outbound.admit(CLIENT, answer(length)).is_ok());
    }
}
