//! Whether the content of an answer is compressed for its client, or decompressed.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode, Version};

use super::body::recoded::{Counted, Recoded};
use super::body::{Content, SHORT_ENOUGH};
use super::content_fields::{forbids, recoded, vary, weaken};
use crate::compress::{Accepted, Coding};
use crate::error::Error;
use crate::forward::Worker;
use crate::metrics::recoded::{Skip, Undecoded, Way};
use crate::policy::compression::Compression;
use crate::protocol::http::Request;
use crate::protocol::http::length::{is_bodiless, parse_length};
use crate::snapshot::Recoding;

/// What is wanted of the answer to a request.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'s> {
    rules: &'s Recoding,
    accepted: Accepted,
    is_head: bool,
    /// The request forbids it (`no-transform`).
    is_forbidden: bool,
    /// The client can read content whose length is not known in advance.
    takes_pieces: bool,
    /// The request has asked by a weak tag whether the content has changed.
    has_weak_tags: bool,
}

/// What is known of an answer's length.
enum Known {
    Length(u64),
    /// It is there already, and this decision is the last.
    LongEnough,
    Nothing,
}

/// What comes next.
enum Next {
    Done,
    /// A look at what has come of the content.
    Look,
}

impl<'s> Wish<'s> {
    /// Of a request, before anything is changed in it.
    pub fn of(rules: &'s Recoding, request: &Request) -> Self {
        let tags = request.headers.get_all(header::IF_NONE_MATCH);
        Self {
            rules,
            accepted: Accepted::of(&request.headers),
            is_head: request.method == Method::HEAD,
            is_forbidden: forbids(&request.headers),
            takes_pieces: request.version >= Version::HTTP_11,
            has_weak_tags: tags.into_iter().any(|tags| tags.as_bytes().windows(3).any(|part| part == b"W/\"")),
        }
    }

    /// Does with an answer of ours what is wanted.
    pub fn apply(&self, response: &mut Response<Content>, worker: &Rc<Worker>) {
        let _: Next = self.decide(response, worker);
    }

    /// Does with a backend's answer what is wanted. Where its length is not known, what has come with its head decides whether it is long enough; nothing is
    /// waited for.
    pub async fn apply_to_stream(&self, response: &mut Response<Content>, worker: &Rc<Worker>) {
        if let (Next::Look, Some(rules)) = (self.decide(response, worker), &self.rules.policy.compress) {
            let looked = look(response.body_mut(), rules.min_size).await;
            let known = if looked.is_whole { Known::Length(looked.read.len() as u64) } else { Known::LongEnough };
            looked.put_back(response.body_mut());
            self.compress(rules, known, response, worker);
        }
    }

    fn decide(&self, response: &mut Response<Content>, worker: &Rc<Worker>) -> Next {
        let status = response.status();
        if status == StatusCode::NOT_MODIFIED {
            self.not_modified(response.headers_mut());
            return Next::Done;
        }
        let has_no_content = is_bodiless(&Method::GET, status)
            || matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::RESET_CONTENT)
            || matches!(response.body(), Content::Tunnel(_));
        if has_no_content || forbids(response.headers()) {
            return Next::Done;
        }
        let was_decoded = self.rules.policy.decompress && self.decompress(response, worker);
        let Some(rules) = &self.rules.policy.compress else { return Next::Done };
        let is_only_told = self.is_only_told(response);
        let length = match is_only_told {
            false => response.body().size_hint().exact(),
            true => response.headers().get(header::CONTENT_LENGTH).and_then(|length| parse_length(length.as_bytes())),
        };
        let known = match length {
            Some(length) => Known::Length(length),
            None if is_only_told || was_decoded => Known::LongEnough,
            None => Known::Nothing,
        };
        self.compress(rules, known, response, worker)
    }

    /// Compresses an answer, or says why not.
    fn compress(
        &self,
        rules: &Compression,
        known: Known,
        response: &mut Response<Content>,
        worker: &Rc<Worker>,
    ) -> Next {
        let skip = |why: Skip| {
            self.rules.counts.skipped(worker.index, why);
            Next::Done
        };
        let headers = response.headers();
        if headers.contains_key(header::CONTENT_ENCODING) {
            return skip(Skip::Encoded);
        }
        let content_type = headers.get(header::CONTENT_TYPE);
        if !content_type.is_some_and(|content_type| rules.types.contain(content_type.as_bytes())) {
            return skip(Skip::Type);
        }
        let may_be_coded = self.takes_pieces && !self.is_forbidden;
        let best = if may_be_coded { self.accepted.best(&rules.algorithms) } else { None };
        let may_be_small = self.accepted.refuses_identity();
        match known {
            Known::Length(length) if length == 0 || length < rules.min_size && !may_be_small => {
                return skip(Skip::Small);
            }
            Known::Nothing if best.is_some() && !may_be_small => return Next::Look,
            Known::Length(_) | Known::LongEnough | Known::Nothing => {}
        }
        // also where it is not compressed for this client: a cache has to know that it is for others
        vary(response.headers_mut());
        let Some(algorithm) = best else { return skip(Skip::NotAccepted) };
        if !self.is_only_told(response) {
            let level = rules.levels.of(algorithm);
            let Ok(Some((encoder, lease))) = worker.codecs.encoder(algorithm, level) else { return skip(Skip::Busy) };
            let counted = Counted::new(&self.rules.counts, worker.index, Way::Compress, Coding::of(algorithm));
            let source = std::mem::replace(response.body_mut(), Content::Own(Bytes::new()));
            *response.body_mut() =
                Recoded::encoding(source, (encoder, algorithm, level), lease, counted).shortened(SHORT_ENOUGH);
        }
        let headers = response.headers_mut();
        recoded(headers);
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(algorithm.name()));
        Next::Done
    }

    /// Whether nothing but fields is here, as where a backend answers HEAD. Answers of our own have their content then as well, and are coded like those to GET,
    /// because their length has to be the same.
    fn is_only_told(&self, response: &Response<Content>) -> bool {
        self.is_head && response.body().is_end()
    }

    /// Decompresses an answer whose coding the client does not accept. Returns whether it does so.
    fn decompress(&self, response: &mut Response<Content>, worker: &Rc<Worker>) -> bool {
        let mut codings = response.headers().get_all(header::CONTENT_ENCODING).into_iter();
        // one that was coded twice stays as it is
        let (Some(coding), None) = (codings.next(), codings.next()) else { return false };
        let Some(coding) = Coding::named(coding.as_bytes().trim_ascii()) else { return false };
        vary(response.headers_mut());
        if self.is_forbidden || self.accepted.takes(coding) {
            return false;
        }
        if !self.is_only_told(response) {
            let Ok(Some((decoder, lease))) = worker.codecs.decoder(coding) else {
                self.rules.counts.undecoded(worker.index, Undecoded::Busy);
                return false;
            };
            let counted = Counted::new(&self.rules.counts, worker.index, Way::Decompress, coding);
            let source = std::mem::replace(response.body_mut(), Content::Own(Bytes::new()));
            *response.body_mut() = Content::Recoded(Box::new(Recoded::decoding(source, decoder, lease, counted)));
        }
        let headers = response.headers_mut();
        recoded(headers);
        headers.remove(header::CONTENT_ENCODING);
        true
    }

    /// What a 304 says has to fit the answer that the client has, which had a weak tag if we have recoded it, and the `Vary` that the whole answer has
    /// (RFC 9110, section 15.4.5). What a cache has kept gets the fields of the 304 instead of its own (RFC 9111, section 3.2): a `Vary` of the backend would take
    /// away what we have said in ours. Of which type the content is, a 304 seldom says.
    fn not_modified(&self, headers: &mut HeaderMap) {
        let is_weakened = self.has_weak_tags && weaken(headers);
        let content_type = headers.get(header::CONTENT_TYPE);
        let is_compressed =
            self.rules.policy.compress.as_ref().is_some_and(|rules| {
                content_type.is_none_or(|content_type| rules.types.contain(content_type.as_bytes()))
            });
        if is_weakened || is_compressed || headers.contains_key(header::VARY) {
            vary(headers);
        }
    }
}

/// What has come of a content.
struct Looked {
    read: Bytes,
    trailers: Option<Box<HeaderMap>>,
    is_whole: bool,
    failed: Option<Error>,
}

/// Reads what is there of a content, until that is so many bytes.
async fn look(content: &mut Content, enough: u64) -> Looked {
    let mut read = BytesMut::new();
    let (mut first, mut trailers, mut is_whole, mut failed) = (Bytes::new(), None, false, None);
    poll_fn(|cx| {
        while ((first.len() + read.len()) as u64) < enough {
            match content.poll_frame(cx) {
                Poll::Pending => break,
                Poll::Ready(None) => {
                    is_whole = true;
                    break;
                }
                Poll::Ready(Some(Err(error))) => {
                    failed = Some(error);
                    break;
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if first.is_empty() => first = data,
                    Ok(data) => read.extend_from_slice(&data),
                    Err(frame) => {
                        trailers = frame.into_trailers().ok().map(Box::new);
                        is_whole = true;
                        break;
                    }
                },
            }
        }
        Poll::Ready(())
    })
    .await;
    // nearly always it is one piece, which is not copied
    let read = if read.is_empty() { first } else { [&first[..], &read[..]].concat().into() };
    Looked { read, trailers, is_whole, failed }
}

impl Looked {
    /// Puts what was read before the rest.
    fn put_back(self, content: &mut Content) {
        if self.is_whole {
            *content = match self.trailers {
                None => Content::Own(self.read),
                trailers => Content::Whole(self.read, trailers),
            };
        } else if !self.read.is_empty() || self.failed.is_some() {
            let rest = std::mem::replace(content, Content::Own(Bytes::new()));
            *content = Content::Recoded(Box::new(Recoded::put_back(self.read, self.failed, rest)));
        }
    }
}
