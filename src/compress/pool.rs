//! What encoders and decoders take of a worker: their memory, and its time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::{Broken, Coding, Decoder, Encoder};
use crate::policy::compression::Algorithm;

/// The most memory that the encoders of a worker take together, in bytes. Above it, answers are sent as they are.
const MOST_ENCODERS: usize = 64 << 20;
/// The most memory that its decoders take.
const MOST_DECODERS: usize = 256 << 20;
/// So many encoders that are not used are kept.
const KEPT: usize = 8;

/// So many bytes are coded in one turn of the worker, by all answers together, where they are few: about 0.1 ms of work, twice of which a request waits for (when
/// it comes, and when its answer does). Turns that are shorter take more of the processor's time, and shorten nothing that can be measured.
const TURN: usize = 8 << 10;
/// The least that one answer codes in a turn.
const LEAST: usize = 2 << 10;
/// The most that one answer codes in a turn.
const MOST: usize = 4 << 10;

/// The encoders and decoders of one worker.
#[derive(Debug, Default)]
pub struct Pool {
    kept: RefCell<Vec<(Algorithm, u32, Encoder)>>,
    encoders: Cell<usize>,
    decoders: Cell<usize>,
    in_use: Cell<usize>,
}

/// The memory of an encoder, or a decoder, which is counted until this is dropped.
#[derive(Debug)]
pub struct Lease {
    pool: Rc<Pool>,
    bytes: usize,
    is_encoder: bool,
}

impl Pool {
    /// An encoder; `None` = others have all the memory that there is for them.
    ///
    /// # Errors
    ///
    /// It can't be made.
    pub fn encoder(self: &Rc<Self>, algorithm: Algorithm, level: u32) -> Result<Option<(Encoder, Lease)>, Broken> {
        let Some(lease) = self.lease(Encoder::state_bytes(algorithm, level), true) else { return Ok(None) };
        let kept = {
            let mut kept = self.kept.borrow_mut();
            let at = kept.iter().rposition(|(of, at_level, _)| (*of, *at_level) == (algorithm, level));
            at.map(|at| kept.swap_remove(at).2)
        };
        let encoder = kept.map_or_else(|| Encoder::new(algorithm, level), Ok)?;
        Ok(Some((encoder, lease)))
    }

    /// A decoder; `None` = others have all the memory that there is for them.
    ///
    /// # Errors
    ///
    /// It can't be made.
    pub fn decoder(self: &Rc<Self>, coding: Coding) -> Result<Option<(Decoder, Lease)>, Broken> {
        let Some(lease) = self.lease(coding.state_bytes(), false) else { return Ok(None) };
        Ok(Some((Decoder::new(coding)?, lease)))
    }

    /// Takes an encoder back that has finished, or was given up.
    pub fn take_back(&self, algorithm: Algorithm, level: u32, mut encoder: Encoder) {
        if Encoder::is_dear(algorithm) && self.kept.borrow().len() < KEPT && encoder.reset() {
            self.kept.borrow_mut().push((algorithm, level, encoder));
        }
    }

    /// How many bytes one answer may code before others have their turn: the more there are, the fewer, so that all together don't hold the worker for long.
    pub fn slice(&self) -> usize {
        (TURN / self.in_use.get().max(1)).clamp(LEAST, MOST)
    }

    fn lease(self: &Rc<Self>, bytes: usize, is_encoder: bool) -> Option<Lease> {
        let (used, most) = if is_encoder { (&self.encoders, MOST_ENCODERS) } else { (&self.decoders, MOST_DECODERS) };
        if used.get() + bytes > most {
            return None;
        }
        used.set(used.get() + bytes);
        self.in_use.set(self.in_use.get() + 1);
        Some(Lease { pool: Rc::clone(self), bytes, is_encoder })
    }
}

impl Lease {
    /// The pool that it is of.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let used = if self.is_encoder { &self.pool.encoders } else { &self.pool.decoders };
        used.set(used.get() - self.bytes);
        self.pool.in_use.set(self.pool.in_use.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_counted_while_it_is_used_and_no_more_is_given_than_there_is() {
        let pool = Rc::new(Pool::default());
        let mut leases = Vec::new();
        while let Some((encoder, lease)) = pool.encoder(Algorithm::Gzip, 2).unwrap() {
            pool.take_back(Algorithm::Gzip, 2, encoder);
            leases.push(lease);
        }
        assert_eq!(leases.len(), MOST_ENCODERS / Encoder::state_bytes(Algorithm::Gzip, 2));
        assert!(pool.decoder(Coding::Brotli).unwrap().is_some(), "decoders have memory of their own");
        assert_eq!(pool.slice(), LEAST);
        leases.clear();
        assert_eq!((pool.encoders.get(), pool.decoders.get(), pool.in_use.get(), pool.slice()), (0, 0, 0, MOST));
    }

    #[test]
    fn a_used_encoder_is_as_good_as_a_new_one_and_few_are_kept() {
        let pool = Rc::new(Pool::default());
        for algorithm in Algorithm::ALL {
            let text = b"some text, some text, and more of it".repeat(99);
            let made: Vec<Vec<u8>> = (0..3)
                .map(|_| {
                    let (mut encoder, _lease) = pool.encoder(algorithm, 3).unwrap().unwrap();
                    let mut out = Vec::new();
                    encoder.push(&text, &mut out).unwrap();
                    // the second is given up half-way, and the third has to forget it
                    encoder.finish(&mut out).unwrap();
                    pool.take_back(algorithm, 3, encoder);
                    let (mut given_up, _lease) = pool.encoder(algorithm, 3).unwrap().unwrap();
                    given_up.push(b"given up", &mut Vec::new()).unwrap();
                    pool.take_back(algorithm, 3, given_up);
                    out
                })
                .collect();
            assert!(made.iter().all(|one| *one == made[0]), "{algorithm:?}");
        }
        for _ in 0..3 * KEPT {
            pool.take_back(Algorithm::Gzip, 1, Encoder::new(Algorithm::Gzip, 1).unwrap());
        }
        assert_eq!(pool.kept.borrow().len(), KEPT);
    }
}
