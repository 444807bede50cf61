use http::{Method, Version};

use super::*;
use crate::protocol::http::length::Length;

/// A body of these pieces; `None` = the client takes its time.
#[derive(Debug)]
struct Pieces(VecDeque<Option<Frame<Bytes>>>);

impl ClientBody for Pieces {
    fn poll(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        match self.0.pop_front() {
            Some(Some(frame)) => Poll::Ready(Some(Ok(frame))),
            Some(None) => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    fn poll_begun(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn refuse_in_trailers(&mut self, _: &Arc<[HeaderName]>) {}

    fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    fn is_held(&self) -> bool {
        true
    }

    fn remaining(&self) -> Option<u64> {
        None
    }
}

fn request(body: RequestBody) -> Request {
    Request {
        method: Method::POST,
        uri: "/".parse().unwrap(),
        version: Version::HTTP_11,
        host: None,
        headers: HeaderMap::new(),
        body,
        length: Length::Chunked,
        upgrade: None,
        te_trailers: false,
        expect_continue: false,
        forwarded: None,
        interim: None,
        presence: None,
    }
}

/// The bodies of an original and of its copy, what they share, and the bytes that wait on the worker.
fn pair(pieces: Vec<Option<Frame<Bytes>>>, longest: u64) -> ([RequestBody; 2], Feed, Rc<Cell<usize>>) {
    let mut original = request(RequestBody::Client(Box::new(Pieces(pieces.into()))));
    let (mut copy, of_worker) = (request(RequestBody::Empty), Rc::default());
    let feed = share(&mut original, &mut copy, longest, &of_worker).unwrap();
    ([original.body, copy.body], feed, of_worker)
}

fn data(size: usize) -> Option<Frame<Bytes>> {
    Some(Frame::data(Bytes::from(vec![7; size])))
}

fn poll(body: &mut RequestBody) -> Poll<Option<Result<Frame<Bytes>>>> {
    use http_body::Body as _;
    std::pin::Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
}

/// Reads what is there: the bytes, the trailers, and whether that was the end.
fn read(body: &mut RequestBody) -> (usize, Option<HeaderMap>, bool) {
    let (mut bytes, mut trailers) = (0, None);
    loop {
        match poll(body) {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => bytes += data.len(),
                Err(frame) => trailers = frame.into_trailers().ok(),
            },
            Poll::Ready(Some(Err(error))) => panic!("{error}"),
            Poll::Ready(None) => return (bytes, trailers, true),
            Poll::Pending => return (bytes, trailers, false),
        }
    }
}

#[test]
fn a_copy_reads_what_its_original_has_read() {
    let trailers = HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("x"))]);
    let pieces = vec![data(10), data(20_000), None, data(5), data(6), Some(Frame::trailers(trailers.clone()))];
    let ([mut original, mut copy], feed, waiting) = pair(pieces, 65_536);
    assert_eq!(read(&mut copy), (0, None, false));
    assert_eq!(read(&mut original), (20_010, None, false));
    assert_eq!(waiting.get(), 20_010);
    assert_eq!(read(&mut copy), (20_010, None, false));
    assert_eq!(waiting.get(), 0);
    assert_eq!(read(&mut original), (11, Some(trailers.clone()), true));
    drop(original);
    assert_eq!(read(&mut copy), (11, Some(trailers), true));
    assert_eq!(feed.given_up(), None);
}

#[test]
fn an_original_is_held_while_its_body_is_and_its_copy_never() {
    let ([original, copy], ..) = pair(vec![data(10)], 100);
    assert!(original.is_held() && !copy.is_held());
}

#[test]
fn large_pieces_are_shared_and_small_ones_hold_nothing_of_what_they_were_read_into() {
    let ([mut original, mut copy], ..) = pair(vec![data(COPIED), data(COPIED - 1)], 65_536);
    let next = |body: &mut RequestBody| match poll(body) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap(),
        other => panic!("{other:?}"),
    };
    let read = [next(&mut original), next(&mut original)];
    let copied = [next(&mut copy), next(&mut copy)];
    assert_eq!(copied, read);
    assert_eq!(copied[0].as_ptr(), read[0].as_ptr());
    assert!(read[1].is_unique());
}

#[test]
fn a_body_that_is_too_long_is_given_up_and_its_original_goes_on() {
    let ([mut original, mut copy], feed, waiting) = pair(vec![data(60), data(40), data(1), data(1_000)], 100);
    assert_eq!(read(&mut original), (1_101, None, true));
    assert_eq!((feed.given_up(), waiting.get()), (Some(MirrorResult::TooLarge), 0));
    assert!(matches!(poll(&mut copy), Poll::Ready(Some(Err(_)))));
    let ([mut original, mut copy], feed, _) = pair(vec![data(60), data(40)], 100);
    assert_eq!((read(&mut original).0, read(&mut copy).0, feed.given_up()), (100, 100, None));
}

#[test]
fn what_waits_on_a_worker_has_a_bound() {
    let of_worker: Rc<Cell<usize>> = Rc::default();
    let mut all = Vec::new();
    for _ in 0..17 {
        let mut original = request(RequestBody::Client(Box::new(Pieces([data(1 << 20), data(1)].into()))));
        let mut copy = request(RequestBody::Empty);
        let feed = share(&mut original, &mut copy, 1 << 21, &of_worker).unwrap();
        let read = std::iter::from_fn(|| match poll(&mut original.body) {
            Poll::Ready(Some(Ok(frame))) => frame.into_data().ok().map(|data| data.len()),
            _ => None,
        });
        assert_eq!(read.sum::<usize>(), (1 << 20) + 1);
        all.push((copy.body, feed));
        assert!(of_worker.get() <= MOST_WAITING);
    }
    let given_up = all.iter().filter(|(_, feed)| feed.given_up() == Some(MirrorResult::TooSlow)).count();
    assert!((1..=2).contains(&given_up), "{given_up}");
    all.clear();
    assert_eq!(of_worker.get(), 0);
}

#[test]
fn a_copy_ends_with_an_original_that_is_broken_off_and_not_the_other_way_round() {
    let ([mut original, mut copy], feed, waiting) = pair(vec![data(10), None, data(10)], 100);
    assert_eq!(read(&mut original), (10, None, false));
    drop(original);
    assert_eq!((feed.given_up(), waiting.get()), (Some(MirrorResult::Cancelled), 0));
    assert!(matches!(poll(&mut copy), Poll::Ready(Some(Err(_)))));
    let ([mut original, copy], feed, waiting) = pair(vec![data(10), None, data(10)], 100);
    assert_eq!(read(&mut original).0, 10);
    drop(copy);
    assert_eq!((read(&mut original), waiting.get(), feed.given_up()), ((10, None, true), 0, None));
}

#[test]
fn what_has_no_body_shares_nothing() {
    let (mut original, mut copy) = (request(RequestBody::Empty), request(RequestBody::Empty));
    assert!(share(&mut original, &mut copy, 100, &Rc::default()).is_none());
}

proptest::proptest! {
    #[test]
    fn whoever_reads_when_a_copy_gets_the_same_bytes_in_order(
        sizes in proptest::collection::vec(0_usize..40_000, 0..12),
        turns in proptest::collection::vec(proptest::bool::ANY, 0..30),
    ) {
        let mut all: Vec<u8> = Vec::new();
        let pieces = sizes.iter().map(|size| {
            let piece: Vec<u8> = (all.len()..all.len() + size).map(|at| (at % 251) as u8).collect();
            all.extend(&piece);
            Some(Frame::data(Bytes::from(piece)))
        });
        let ([mut original, mut copy], _, waiting) = pair(pieces.collect(), 1 << 20);
        let mut copied: Vec<u8> = Vec::new();
        for copy_s_turn in turns {
            let body = if copy_s_turn { &mut copy } else { &mut original };
            if let Poll::Ready(Some(Ok(frame))) = poll(body) && copy_s_turn {
                copied.extend(frame.into_data().unwrap());
            }
        }
        while let Poll::Ready(Some(_)) = poll(&mut original) {}
        while let Poll::Ready(Some(Ok(frame))) = poll(&mut copy) {
            copied.extend(frame.into_data().unwrap());
        }
        proptest::prop_assert_eq!(copied, all);
        proptest::prop_assert_eq!(waiting.get(), 0);
    }
}
