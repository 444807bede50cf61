//! Encoders: pieces go in, pieces come out, and what was put in so far can be asked for at any time.

use brotli::enc::StandardAlloc;
use brotli::enc::encode::{
    BrotliEncoderDestroyInstance, BrotliEncoderOperation, BrotliEncoderParameter, BrotliEncoderStateStruct,
};
use flate2::{Compress, Compression, FlushCompress, Status};
use zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, ResetDirective};

use super::Broken;
use crate::policy::compression::Algorithm;

/// The binary logarithm of the window of DEFLATE.
const GZIP_WINDOW: u8 = 15;
/// That of brotli: 256 KiB. A larger one costs memory that answers of the usual length don't use.
const BROTLI_WINDOW: u32 = 18;
/// That of zstd: 128 KiB. Browsers read up to 8 MiB (RFC 9659).
const ZSTD_WINDOW: u32 = 17;

/// zstd and brotli gather a block of 64 KiB and more before they work, and work on all of it at once. After so many bytes they are told not to wait: more
/// would hold the worker for too long.
const BLOCK: usize = 32 * 1024;

/// How much room for output is made at a time.
const ROOM: usize = 8 * 1024;

/// An encoder.
pub struct Encoder {
    kind: Kind,
    /// Bytes since the last flush.
    gathered: usize,
}

enum Kind {
    Gzip(Compress),
    Brotli(Box<Brotli>),
    Zstd(CCtx<'static>),
}

struct Brotli(BrotliEncoderStateStruct<StandardAlloc>);

/// How much is asked of an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// What it likes to give.
    Some,
    /// All that went in.
    All,
    /// All, and the end.
    End,
}

impl Encoder {
    /// A new one.
    ///
    /// # Errors
    ///
    /// There is no memory for it, or its level is out of range.
    pub fn new(algorithm: Algorithm, level: u32) -> Result<Self, Broken> {
        let kind = match algorithm {
            Algorithm::Gzip => Kind::Gzip(Compress::new_gzip(Compression::new(level), GZIP_WINDOW)),
            Algorithm::Brotli => Kind::Brotli(Box::new(Brotli::new(level))),
            Algorithm::Zstd => Kind::Zstd(zstd(level).map_err(|_| Broken::Encoder)?),
        };
        Ok(Self { kind, gathered: 0 })
    }

    /// About how much memory an answer takes that is compressed, in bytes, with what was read of its content and waits: measured at answers of which nobody
    /// reads more than the head. For gzip, 376 KiB of it are the tables of zlib-rs, and 128 KiB one read of the content.
    pub const fn state_bytes(algorithm: Algorithm, level: u32) -> usize {
        match (algorithm, level) {
            (Algorithm::Gzip, _) => 640 << 10,
            (Algorithm::Brotli, 0..=4) => 2 << 20,
            (Algorithm::Brotli, _) => 6 << 20,
            (Algorithm::Zstd, 0..=3) => 2 << 20,
            (Algorithm::Zstd, _) => 4 << 20,
        }
    }

    /// Whether making one costs much more than making a used one ready again.
    pub const fn is_dear(algorithm: Algorithm) -> bool {
        matches!(algorithm, Algorithm::Gzip | Algorithm::Zstd)
    }

    /// Takes `input`, and puts what comes of it so far behind `out`.
    ///
    /// # Errors
    ///
    /// The encoder has failed.
    pub fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        if matches!(self.kind, Kind::Gzip(_)) {
            self.gathered += input.len();
            return self.run(input, Ask::Some, out);
        }
        while !input.is_empty() {
            let (piece, rest) = input.split_at(input.len().min(BLOCK - self.gathered));
            input = rest;
            self.gathered += piece.len();
            if self.gathered == BLOCK {
                self.run(piece, Ask::All, out)?;
                self.gathered = 0;
            } else {
                self.run(piece, Ask::Some, out)?;
            }
        }
        Ok(())
    }

    /// Whether something was put in that did not come out yet.
    pub fn holds_back(&self) -> bool {
        self.gathered > 0
    }

    /// Puts all that went in behind `out`.
    ///
    /// # Errors
    ///
    /// The encoder has failed.
    pub fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.gathered = 0;
        self.run(&[], Ask::All, out)
    }

    /// Puts the rest behind `out`, with the end. Nothing can be put in after that.
    ///
    /// # Errors
    ///
    /// The encoder has failed.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.gathered = 0;
        self.run(&[], Ask::End, out)
    }

    /// Makes it as good as new; `false` = that can't be done.
    pub fn reset(&mut self) -> bool {
        self.gathered = 0;
        match &mut self.kind {
            Kind::Gzip(gzip) => {
                gzip.reset();
                true
            }
            Kind::Zstd(zstd) => zstd.reset(ResetDirective::SessionOnly).is_ok(),
            Kind::Brotli(_) => false,
        }
    }

    fn run(&mut self, input: &[u8], ask: Ask, out: &mut Vec<u8>) -> Result<(), Broken> {
        match &mut self.kind {
            Kind::Gzip(gzip) => run_gzip(gzip, input, ask, out),
            Kind::Brotli(brotli) => brotli.run(input, ask, out),
            Kind::Zstd(zstd) => run_zstd(zstd, input, ask, out),
        }
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("gathered", &self.gathered).finish_non_exhaustive()
    }
}

fn run_gzip(gzip: &mut Compress, mut input: &[u8], ask: Ask, out: &mut Vec<u8>) -> Result<(), Broken> {
    let flush = match ask {
        Ask::Some => FlushCompress::None,
        Ask::All => FlushCompress::Sync,
        Ask::End => FlushCompress::Finish,
    };
    loop {
        out.reserve(ROOM);
        let before = gzip.total_in();
        let status = gzip.compress_vec(input, out, flush).map_err(|_| Broken::Encoder)?;
        let taken = usize::try_from(gzip.total_in() - before).map_err(|_| Broken::Encoder)?;
        input = &input[taken..];
        // while there was room left, it had nothing more to give (zlib.h, deflate)
        let has_room = out.len() < out.capacity();
        let is_done = match ask {
            Ask::End => status == Status::StreamEnd,
            Ask::Some | Ask::All => input.is_empty() && has_room,
        };
        if is_done {
            return Ok(());
        }
        if taken == 0 && has_room {
            return Err(Broken::Encoder);
        }
    }
}

fn zstd(level: u32) -> Result<CCtx<'static>, usize> {
    let mut zstd = CCtx::try_create().ok_or(0_usize)?;
    let level = i32::try_from(level).map_err(|_| 0_usize)?;
    zstd.set_parameter(CParameter::CompressionLevel(level))?;
    zstd.set_parameter(CParameter::WindowLog(ZSTD_WINDOW))?;
    Ok(zstd)
}

fn run_zstd(zstd: &mut CCtx<'static>, input: &[u8], ask: Ask, out: &mut Vec<u8>) -> Result<(), Broken> {
    let mut input = InBuffer::around(input);
    let directive = match ask {
        Ask::Some => ZSTD_EndDirective::ZSTD_e_continue,
        Ask::All => ZSTD_EndDirective::ZSTD_e_flush,
        Ask::End => ZSTD_EndDirective::ZSTD_e_end,
    };
    loop {
        out.reserve(ROOM);
        let at = out.len();
        let mut output = OutBuffer::around_pos(out, at);
        let left = zstd.compress_stream2(&mut output, &mut input, directive).map_err(|_| Broken::Encoder)?;
        let is_taken = input.pos() == input.src.len();
        if is_taken && (ask == Ask::Some || left == 0) {
            return Ok(());
        }
    }
}

impl Brotli {
    fn new(level: u32) -> Self {
        let mut state = BrotliEncoderStateStruct::new(StandardAlloc::default());
        state.set_parameter(BrotliEncoderParameter::BROTLI_PARAM_QUALITY, level);
        state.set_parameter(BrotliEncoderParameter::BROTLI_PARAM_LGWIN, BROTLI_WINDOW);
        Self(state)
    }

    fn run(&mut self, input: &[u8], ask: Ask, out: &mut Vec<u8>) -> Result<(), Broken> {
        let operation = match ask {
            Ask::Some => BrotliEncoderOperation::BROTLI_OPERATION_PROCESS,
            Ask::All => BrotliEncoderOperation::BROTLI_OPERATION_FLUSH,
            Ask::End => BrotliEncoderOperation::BROTLI_OPERATION_FINISH,
        };
        let (mut left, mut read) = (input.len(), 0);
        loop {
            let at = out.len();
            out.resize(at + ROOM, 0);
            let (mut room, mut written) = (ROOM, 0);
            let is_good = self.0.compress_stream(
                operation,
                &mut left,
                input,
                &mut read,
                &mut room,
                &mut out[at..],
                &mut written,
                &mut None,
                &mut |_, _, _, _| (),
            );
            out.truncate(at + written);
            if !is_good {
                return Err(Broken::Encoder);
            }
            let is_done = match ask {
                Ask::End => self.0.is_finished(),
                Ask::Some | Ask::All => left == 0 && !self.0.has_more_output(),
            };
            if is_done {
                return Ok(());
            }
        }
    }
}

impl Drop for Brotli {
    fn drop(&mut self) {
        BrotliEncoderDestroyInstance(&mut self.0);
    }
}
