//! Content that is compressed or decompressed on its way.
//!
//! A poll codes a slice of it at most (`compress::Pool::slice`), and then gives the worker's other tasks and its sockets their turn. What the backend has sent is
//! passed on when it pauses: nobody waits for bytes that are here.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use http_body::Frame;

use super::Content;
use crate::compress::{Broken, Coding, Decoder, Encoder, Lease};
use crate::error::{Error, Kind};
use crate::forward::http::content_fields::clean_trailers;
use crate::metrics::recoded::{Recoded as Counts, Undecoded, Way};
use crate::policy::compression::Algorithm;

/// A frame is passed on when it has this size, or when there is nothing more to put into it now.
const FRAME: usize = 8 * 1024;

/// The next frame of a body.
type Polled = Poll<Option<Result<Frame<Bytes>, Error>>>;

/// Content on its way.
#[derive(Debug)]
pub struct Recoded {
    source: Content,
    codec: Codec,
    /// What was read of the source, and not coded yet.
    input: Bytes,
    has_source_ended: bool,
    trailers: Option<Box<HeaderMap>>,
    /// Why it breaks off, once what came before has been passed on.
    failed: Option<Error>,
    is_done: bool,
    /// Bytes that were coded in this turn.
    worked: usize,
    gives_way: bool,
}

/// What is done with it.
#[derive(Debug)]
enum Codec {
    /// Nothing.
    Plain,
    Encode {
        encoder: Option<Encoder>,
        algorithm: Algorithm,
        level: u32,
        lease: Lease,
        counted: Counted,
    },
    /// `has_more`: it may give more without further input.
    Decode {
        decoder: Decoder,
        has_more: bool,
        lease: Lease,
        counted: Counted,
    },
}

/// Where what is done with it is counted.
#[derive(Debug)]
pub struct Counted {
    counts: Arc<Counts>,
    worker: usize,
    way: Way,
    coding: usize,
}

impl Counted {
    /// Counts an answer that is recoded from here on.
    pub fn new(counts: &Arc<Counts>, worker: usize, way: Way, coding: Coding) -> Self {
        let coding = coding as usize;
        counts.begun(worker, way, coding);
        Self { counts: Arc::clone(counts), worker, way, coding }
    }

    fn moved(&self, taken: usize, given: usize) {
        self.counts.moved(self.worker, (self.way, self.coding), taken, given);
    }

    fn failed(&self, broken: Broken) -> Error {
        let why = match broken {
            Broken::Encoder => return Error::new(Kind::Internal, broken.as_str()),
            Broken::Malformed => Undecoded::Malformed,
            Broken::Bomb => Undecoded::Bomb,
        };
        self.counts.undecoded(self.worker, why);
        Error::new(Kind::UpstreamMalformed, broken.as_str())
    }
}

impl Recoded {
    fn new(source: Content, codec: Codec) -> Self {
        Self {
            source,
            codec,
            input: Bytes::new(),
            has_source_ended: false,
            trailers: None,
            failed: None,
            is_done: false,
            worked: 0,
            gives_way: false,
        }
    }

    /// `source`, compressed.
    pub fn encoding(
        source: Content,
        (encoder, algorithm, level): (Encoder, Algorithm, u32),
        lease: Lease,
        counted: Counted,
    ) -> Self {
        Self::new(source, Codec::Encode { encoder: Some(encoder), algorithm, level, lease, counted })
    }

    /// `source`, decompressed.
    pub fn decoding(source: Content, decoder: Decoder, lease: Lease, counted: Counted) -> Self {
        Self::new(source, Codec::Decode { decoder, has_more: false, lease, counted })
    }

    /// `rest`, of which this was read already, and which has failed after that if it has.
    pub fn put_back(read: Bytes, failed: Option<Error>, rest: Content) -> Self {
        let mut this = Self::new(rest, Codec::Plain);
        (this.input, this.failed) = (read, failed);
        this
    }

    /// Does all at once where all is there and has at most so many bytes: the length of what comes of it is known then.
    pub fn shortened(mut self, most: usize) -> Content {
        if matches!(&self.source, Content::Own(bytes) if bytes.len() <= most) {
            match self.all_at_once() {
                Ok(out) => return Content::Own(out),
                Err(error) => self.failed = Some(error),
            }
        }
        Content::Recoded(Box::new(self))
    }

    fn all_at_once(&mut self) -> Result<Bytes, Error> {
        if let Content::Own(whole) = &mut self.source {
            (self.input, self.has_source_ended) = (std::mem::take(whole), true);
        }
        let mut out = Vec::new();
        while !self.is_done {
            self.worked = 0;
            self.step(&mut out)?;
        }
        Ok(out.into())
    }

    /// What it is made of.
    pub fn source(&self) -> &Content {
        &self.source
    }

    /// What it is made of, to be changed.
    pub fn source_mut(&mut self) -> &mut Content {
        &mut self.source
    }

    /// Whether all of it was passed on.
    pub fn is_end(&self) -> bool {
        let is_passed_on = match &self.codec {
            Codec::Plain => self.input.is_empty() && self.source.is_end(),
            Codec::Encode { .. } | Codec::Decode { .. } => self.is_done && self.trailers.is_none(),
        };
        is_passed_on && self.failed.is_none()
    }

    /// The next piece.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Polled {
        if std::mem::take(&mut self.gives_way) {
            give_way(cx);
            return Poll::Pending;
        }
        if matches!(self.codec, Codec::Plain) {
            return self.poll_plain(cx);
        }
        let mut out = Vec::new();
        while !self.is_done && self.failed.is_none() && out.len() < FRAME {
            if self.worked >= self.slice() {
                self.worked = 0;
                if out.is_empty() {
                    give_way(cx);
                    return Poll::Pending;
                }
                self.gives_way = true;
                break;
            }
            if self.wants_input() {
                match self.source.poll_frame(cx) {
                    Poll::Pending => {
                        self.flush(&mut out);
                        // an encoder may have nothing to add to what it has given: that is no end
                        if out.is_empty() && self.failed.is_none() {
                            return Poll::Pending;
                        }
                        break;
                    }
                    Poll::Ready(frame) => self.take(frame, &mut out),
                }
            } else if let Err(error) = self.step(&mut out) {
                self.failed = Some(error);
            }
        }
        if !out.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(out.into()))));
        }
        if let Some(error) = self.failed.take() {
            self.is_done = true;
            return Poll::Ready(Some(Err(error)));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(*trailers))))
    }

    /// What was put back, and then the rest as it comes.
    fn poll_plain(&mut self, cx: &mut Context<'_>) -> Polled {
        if !self.input.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.input)))));
        }
        match self.failed.take() {
            Some(error) => Poll::Ready(Some(Err(error))),
            None => self.source.poll_frame(cx),
        }
    }

    /// How many bytes may be coded in this turn.
    fn slice(&self) -> usize {
        match &self.codec {
            Codec::Plain => usize::MAX,
            Codec::Encode { lease, .. } | Codec::Decode { lease, .. } => lease.pool().slice(),
        }
    }

    fn wants_input(&self) -> bool {
        let has_more = matches!(self.codec, Codec::Decode { has_more: true, .. });
        self.input.is_empty() && !self.has_source_ended && !has_more
    }

    /// Takes what the source has given.
    fn take(&mut self, frame: Option<Result<Frame<Bytes>, Error>>, out: &mut Vec<u8>) {
        match frame.map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(data))) => self.input = data,
            Some(Ok(Err(frame))) => {
                self.has_source_ended = true;
                self.trailers = frame.into_trailers().ok().map(|mut trailers| {
                    clean_trailers(&mut trailers);
                    Box::new(trailers)
                });
            }
            None => self.has_source_ended = true,
            Some(Err(error)) => {
                // what came before is whole as far as it goes
                self.flush(out);
                self.failed = Some(error);
            }
        }
    }

    /// Has an encoder give what it holds back.
    fn flush(&mut self, out: &mut Vec<u8>) {
        let Codec::Encode { encoder: Some(encoder), counted, .. } = &mut self.codec else { return };
        if !encoder.holds_back() {
            return;
        }
        let at = out.len();
        match encoder.flush(out) {
            Ok(()) => counted.moved(0, out.len() - at),
            Err(broken) => self.failed = Some(counted.failed(broken)),
        }
    }

    /// Codes a piece of the input, or ends.
    fn step(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let (at, room) = (out.len(), self.slice().saturating_sub(self.worked));
        let is_last = self.has_source_ended && self.input.is_empty();
        match &mut self.codec {
            // it is passed on as it is
            Codec::Plain => {}
            Codec::Encode { encoder, counted, .. } => {
                let Some(working) = encoder.as_mut() else { return Err(counted.failed(Broken::Encoder)) };
                let piece = self.input.split_to(self.input.len().min(room));
                let done = if is_last { working.finish(out) } else { working.push(&piece, out) };
                done.map_err(|broken| counted.failed(broken))?;
                counted.moved(piece.len(), out.len() - at);
                self.worked += piece.len();
                if is_last {
                    self.is_done = true;
                    self.give_back();
                }
            }
            Codec::Decode { decoder, has_more, counted, .. } => {
                if is_last && !*has_more {
                    decoder.finish().map_err(|broken| counted.failed(broken))?;
                    self.is_done = true;
                    return Ok(());
                }
                let room = room.min(FRAME);
                let taken = decoder.pull(&self.input, room, out).map_err(|broken| counted.failed(broken))?;
                self.input.advance(taken);
                *has_more = out.len() - at == room;
                counted.moved(taken, out.len() - at);
                // what is read costs time as well
                self.worked += taken.max(out.len() - at);
            }
        }
        Ok(())
    }

    /// Gives the encoder back, for the next answer.
    fn give_back(&mut self) {
        if let Codec::Encode { encoder, algorithm, level, lease, .. } = &mut self.codec
            && let Some(encoder) = encoder.take()
        {
            lease.pool().take_back(*algorithm, *level, encoder);
        }
    }
}

impl Drop for Recoded {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Has the task woken again when others had their turn and the sockets were looked at. Waking it at once would let it go on before that: a runtime looks at
/// sockets only after so many tasks, or when no task is left to run.
fn give_way(cx: &mut Context<'_>) {
    let _: Poll<()> = pin!(tokio::task::yield_now()).poll(cx);
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::task::Waker;

    use super::*;
    use crate::compress::Pool;
    use crate::metrics::Registry;

    fn encoding(pool: &Rc<Pool>, source: Content) -> Recoded {
        let counts = Registry::new(1).recoded("web");
        let (encoder, lease) = pool.encoder(Algorithm::Gzip, 2).unwrap().unwrap();
        let counted = Counted::new(&counts, 0, Way::Compress, Coding::Gzip);
        Recoded::encoding(source, (encoder, Algorithm::Gzip, 2), lease, counted)
    }

    /// How many bytes have come, and how often it gave way.
    fn drain(recoded: &mut Recoded) -> (usize, usize) {
        let (mut bytes, mut pauses) = (0, 0);
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match recoded.poll_frame(&mut cx) {
                Poll::Ready(Some(Ok(frame))) => bytes += frame.into_data().map_or(0, |data| data.len()),
                Poll::Ready(Some(Err(error))) => panic!("{error}"),
                Poll::Ready(None) => return (bytes, pauses),
                Poll::Pending => pauses += 1,
            }
        }
    }

    #[test]
    fn a_poll_codes_a_slice_and_gives_way_and_the_more_there_are_the_smaller_it_is() {
        let pool = Rc::new(Pool::default());
        let text = Bytes::from(b"something that can be compressed ".repeat(32 << 10));
        let alone = drain(&mut encoding(&pool, Content::Own(text.clone()))).1;
        assert!(alone + 1 >= text.len() / (4 << 10), "{alone}");
        let _others: Vec<_> = (0..7).map(|_| encoding(&pool, Content::Own(Bytes::new()))).collect();
        let among_others = drain(&mut encoding(&pool, Content::Own(text))).1;
        assert!(among_others + 2 >= 2 * alone, "{among_others} {alone}");
    }

    #[test]
    fn what_is_short_is_compressed_at_once() {
        let pool = Rc::new(Pool::default());
        let text = Bytes::from(b"something short ".repeat(100));
        let Content::Own(whole) = encoding(&pool, Content::Own(text.clone())).shortened(4096) else {
            panic!("not whole")
        };
        assert!(!whole.is_empty() && whole.len() < text.len());
        assert!(matches!(encoding(&pool, Content::Own(text)).shortened(100), Content::Recoded(_)));
    }

    #[test]
    fn what_was_put_back_comes_before_the_rest_and_before_what_has_failed() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut polled = |recoded: &mut Recoded| match recoded.poll_frame(&mut cx) {
            Poll::Ready(Some(Ok(frame))) => frame.into_data().map(|data| data.to_vec()).unwrap_or_default(),
            Poll::Ready(Some(Err(_))) => b"failed".to_vec(),
            Poll::Ready(None) => b"end".to_vec(),
            Poll::Pending => b"pending".to_vec(),
        };
        let rest = || Content::Own(Bytes::from_static(b"rest"));
        let mut whole = Recoded::put_back(Bytes::from_static(b"read"), None, rest());
        assert!(!whole.is_end());
        assert_eq!([polled(&mut whole), polled(&mut whole), polled(&mut whole)], [&b"read"[..], b"rest", b"end"]);
        assert!(whole.is_end());
        let failed = Some(Error::new(Kind::UpstreamClosed, ""));
        let mut broken = Recoded::put_back(Bytes::from_static(b"read"), failed, rest());
        assert_eq!([polled(&mut broken), polled(&mut broken)], [&b"read"[..], b"failed"]);
    }
}
