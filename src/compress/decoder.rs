//! Decoders: as much comes out as there is room for, and the rest when it is asked for. What goes in can't make one take more memory than the window of its
//! format, and what comes out has a bound in relation to it.

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use flate2::{Decompress, FlushDecompress, Status};
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::Broken;
use crate::policy::compression::Algorithm;

/// The binary logarithm of the largest window of zstd that is read: 8 MiB, the most that a server may use (RFC 9659, section 3).
const ZSTD_WINDOW: u32 = 23;

/// Content may become so many times longer, beyond the first [`FREE`] bytes. DEFLATE makes at most 1032 bytes of one, which only content of
/// one byte over and over comes near to; zstd and brotli have no such bound.
const RATIO: u64 = 1000;
/// So many bytes come out whatever went in.
const FREE: u64 = 1 << 20;

/// A content coding that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952, also called `x-gzip`.
    Gzip,
    /// RFC 1950, and RFC 1951 without the wrapper, which some servers send under this name.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
}

/// A decoder.
pub struct Decoder {
    kind: Kind,
    taken: u64,
    given: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was put in yet.
    Fresh,
    /// Within the content.
    Within,
    /// At an end of the content; another part may follow where the format has several.
    Ended,
}

enum Kind {
    Gzip(Decompress),
    Deflate(Decompress),
    /// What it is tells its second byte; the first one was read.
    Unknown(Option<u8>),
    Brotli(Box<Brotli>),
    Zstd(DCtx<'static>),
}

type Brotli = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

/// What one step of a decoder did.
struct Step {
    taken: usize,
    written: usize,
    has_ended: bool,
}

impl Coding {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gzip, Self::Deflate, Self::Brotli, Self::Zstd];

    /// That of an algorithm.
    pub const fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Zstd => Self::Zstd,
            Algorithm::Brotli => Self::Brotli,
            Algorithm::Gzip => Self::Gzip,
        }
    }

    /// The one with this name, in any case.
    pub fn named(name: &[u8]) -> Option<Self> {
        const NAMES: [(&[u8], Coding); 5] = [
            (b"gzip", Coding::Gzip),
            (b"x-gzip", Coding::Gzip),
            (b"deflate", Coding::Deflate),
            (b"br", Coding::Brotli),
            (b"zstd", Coding::Zstd),
        ];
        NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, coding)| *coding)
    }

    /// The most memory that an answer takes that is decompressed, in bytes: the decoder's window, some room to work in, and what was read of its content and waits,
    /// which is most of it for gzip and deflate (measured at answers of which nobody reads more than the head).
    pub const fn state_bytes(self) -> usize {
        match self {
            Self::Gzip | Self::Deflate => 192 << 10,
            Self::Brotli => 17 << 20,
            Self::Zstd => 9 << 20,
        }
    }
}

impl Decoder {
    /// A new one.
    ///
    /// # Errors
    ///
    /// There is no memory for it.
    pub fn new(coding: Coding) -> Result<Self, Broken> {
        let kind = match coding {
            Coding::Gzip => Kind::Gzip(Decompress::new_gzip(15)),
            Coding::Deflate => Kind::Unknown(None),
            Coding::Brotli => Kind::Brotli(Box::new(BrotliState::new_strict(
                StandardAlloc::default(),
                StandardAlloc::default(),
                StandardAlloc::default(),
            ))),
            Coding::Zstd => {
                let mut zstd = DCtx::try_create().ok_or(Broken::Encoder)?;
                zstd.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW)).map_err(|_| Broken::Encoder)?;
                Kind::Zstd(zstd)
            }
        };
        Ok(Self { kind, taken: 0, given: 0, state: State::Fresh })
    }

    /// Reads some of `input`, and puts at most `room` bytes behind `out`; returns how many bytes it has read. While `out` gets full there may be more to come
    /// without further input.
    ///
    /// # Errors
    ///
    /// The content is broken, or a bomb.
    pub fn pull(&mut self, input: &[u8], room: usize, out: &mut Vec<u8>) -> Result<usize, Broken> {
        let (mut taken, full) = (self.learn(input)?, out.len() + room);
        self.taken += taken as u64;
        loop {
            let (left, at) = (&input[taken..], out.len());
            if at == full || self.state == State::Ended && left.is_empty() {
                return Ok(taken);
            }
            out.resize(full, 0);
            let step = self.step(left, &mut out[at..]);
            out.truncate(at + step.as_ref().map_or(0, |step| step.written));
            let step = step?;
            taken += step.taken;
            self.taken += step.taken as u64;
            self.given += step.written as u64;
            if self.given > FREE && self.given / RATIO > self.taken {
                return Err(Broken::Bomb);
            }
            if step.has_ended {
                self.state = State::Ended;
            } else if step.taken > 0 {
                self.state = State::Within;
            }
            if step.taken == 0 && step.written == 0 && !step.has_ended {
                // it waits for input, and has left none
                return if left.is_empty() { Ok(taken) } else { Err(Broken::Malformed) };
            }
        }
    }

    /// The input has ended. Content of no byte at all is whole: some servers say of empty content how it is coded.
    ///
    /// # Errors
    ///
    /// It ends too early.
    pub fn finish(&self) -> Result<(), Broken> {
        if self.state == State::Within { Err(Broken::Malformed) } else { Ok(()) }
    }

    /// Finds out by the first two bytes what `deflate` means here, and returns how many bytes of `input` it has taken for that.
    fn learn(&mut self, input: &[u8]) -> Result<usize, Broken> {
        let Kind::Unknown(kept) = &mut self.kind else { return Ok(0) };
        let (first, second, taken) = match (*kept, input) {
            (_, []) => return Ok(0),
            (None, [only]) => {
                *kept = Some(*only);
                self.state = State::Within;
                return Ok(1);
            }
            (None, [first, second, ..]) => (*first, *second, 1),
            (Some(first), [second, ..]) => (first, *second, 0),
        };
        // RFC 1950, section 2.2: the method is 8, and both bytes together are a multiple of 31
        let has_wrapper = first & 0x0f == 8 && u16::from_be_bytes([first, second]).is_multiple_of(31);
        let mut inflate = Decompress::new(has_wrapper);
        // one byte makes no output
        run_inflate(&mut inflate, &[first], &mut [0])?;
        (self.kind, self.state) = (Kind::Deflate(inflate), State::Within);
        Ok(taken)
    }

    /// One step, from `input` into `out`. Returns how many bytes it has read and written, and whether the content has ended.
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, Broken> {
        let has_ended = self.state == State::Ended;
        match &mut self.kind {
            Kind::Gzip(inflate) => {
                if has_ended {
                    // RFC 1952, section 2.2: members follow each other
                    if input.first() != Some(&0x1f) {
                        return Err(Broken::Malformed);
                    }
                    inflate.reset(true);
                }
                run_inflate(inflate, input, out)
            }
            Kind::Deflate(inflate) if !has_ended => run_inflate(inflate, input, out),
            Kind::Brotli(state) if !has_ended => run_brotli(state, input, out),
            Kind::Zstd(zstd) => run_zstd(zstd, input, out),
            Kind::Deflate(_) | Kind::Brotli(_) => Err(Broken::Malformed),
            Kind::Unknown(_) => Ok(Step { taken: 0, written: 0, has_ended: false }),
        }
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("taken", &self.taken).field("given", &self.given).finish_non_exhaustive()
    }
}

fn run_inflate(inflate: &mut Decompress, input: &[u8], out: &mut [u8]) -> Result<Step, Broken> {
    let (taken, given) = (inflate.total_in(), inflate.total_out());
    let status = inflate.decompress(input, out, FlushDecompress::None).map_err(|_| Broken::Malformed)?;
    let count = |now: u64, before: u64| usize::try_from(now - before).map_err(|_| Broken::Malformed);
    Ok(Step {
        taken: count(inflate.total_in(), taken)?,
        written: count(inflate.total_out(), given)?,
        has_ended: status == Status::StreamEnd,
    })
}

fn run_brotli(state: &mut Brotli, input: &[u8], out: &mut [u8]) -> Result<Step, Broken> {
    let (mut left, mut taken, mut room, mut written) = (input.len(), 0, out.len(), 0);
    let result = BrotliDecompressStream(&mut left, &mut taken, input, &mut room, &mut written, out, &mut 0, state);
    match result {
        BrotliResult::ResultFailure => Err(Broken::Malformed),
        result => Ok(Step { taken, written, has_ended: matches!(result, BrotliResult::ResultSuccess) }),
    }
}

fn run_zstd(zstd: &mut DCtx<'static>, input: &[u8], out: &mut [u8]) -> Result<Step, Broken> {
    let mut input = InBuffer::around(input);
    let mut output = OutBuffer::around(out);
    let hint = zstd.decompress_stream(&mut output, &mut input).map_err(|_| Broken::Malformed)?;
    let (taken, written) = (input.pos(), output.pos());
    // 0 says that a frame has ended; it also says so while nothing of another one was put in
    Ok(Step { taken, written, has_ended: hint == 0 })
}
