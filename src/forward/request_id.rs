//! The ids that requests get: UUIDs of version 7 (RFC 9562, section 5.7), which sort by time.

use std::cell::{Cell, RefCell};
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::HeaderValue;

use crate::timer::Timers;

/// The ids of one worker. Each is greater than the one before it.
#[derive(Debug, Default)]
pub struct RequestIds {
    /// The tick of the worker's timers at which the wall's clock was read last, and the milliseconds since 1970 that it showed.
    read: Cell<Option<(u64, u64)>>,
    sequence: RefCell<Sequence>,
}

/// What an id is made of beside the bits of its version and variant.
#[derive(Debug, Default)]
struct Sequence {
    /// Milliseconds since 1970; 48 bits.
    millis: u64,
    /// `rand_a` and `rand_b` as one number.
    random: u128,
}

/// The bits of `rand_b`, and of both.
const RAND_B: u32 = 62;
const RANDOM: u32 = 74;

/// An id's length as text.
const LENGTH: usize = 36;

impl RequestIds {
    /// The next id. The clock is read once for each tick of the timers (20 ms).
    pub fn next(&self, timers: &Timers, random: &mut fastrand::Rng) -> HeaderValue {
        let tick = timers.now();
        let millis = match self.read.get() {
            Some((at, millis)) if at == tick => millis,
            _ => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
                self.read.set(Some((tick, millis)));
                millis
            }
        };
        let id = self.sequence.borrow_mut().next(millis, random);
        // every character is printable ASCII
        HeaderValue::from_bytes(&text(id)).unwrap_or(HeaderValue::from_static(""))
    }
}

impl Sequence {
    /// The next id at this time. Within a millisecond, and while the clock stands or goes back, the random part grows by a random step
    /// (RFC 9562, section 6.2, method 2).
    fn next(&mut self, now: u64, random: &mut fastrand::Rng) -> u128 {
        if now > self.millis {
            self.begin(now, random);
        } else {
            self.random += 1 + u128::from(random.u32(..));
            if self.random >> RANDOM > 0 {
                self.begin(self.millis + 1, random);
            }
        }
        let millis = u128::from(self.millis) & 0xffff_ffff_ffff;
        let (rand_a, rand_b) = (self.random >> RAND_B, self.random & ((1 << RAND_B) - 1));
        millis << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << RAND_B | rand_b
    }

    /// Begins another millisecond with the highest bit clear, so that there is room to grow.
    fn begin(&mut self, millis: u64, random: &mut fastrand::Rng) {
        (self.millis, self.random) = (millis, random.u128(..) >> (128 - RANDOM + 1));
    }
}

/// As text (RFC 9562, section 4).
fn text(id: u128) -> [u8; LENGTH] {
    let (mut text, mut at) = ([b'-'; LENGTH], 0);
    for (place, byte) in id.to_be_bytes().into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            at += 1;
        }
        for digit in [byte >> 4, byte & 0xf] {
            text[at] = b"0123456789abcdef"[usize::from(digit)];
            at += 1;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ids_grow_whatever_the_clock_does(seed: u64, clock in prop::collection::vec(0_u64..1 << 48, 1..20), each in 1_usize..50) {
            let (mut sequence, mut random) = (Sequence::default(), fastrand::Rng::with_seed(seed));
            let mut last = String::new();
            for now in clock {
                for _ in 0..each {
                    let id = sequence.next(now, &mut random);
                    let text = String::from_utf8(text(id).to_vec()).unwrap();
                    prop_assert!(text > last, "{} after {}", text, last);
                    prop_assert_eq!((text.as_bytes()[14], id >> 62 & 0b11), (b'7', 0b10));
                    last = text;
                }
                prop_assert!(sequence.millis >= now);
            }
        }
    }

    #[test]
    fn an_id_has_its_time_its_version_and_its_variant() {
        let (mut sequence, mut random) = (Sequence::default(), fastrand::Rng::with_seed(7));
        // the time of the example in RFC 9562, appendix A.6
        let id = String::from_utf8(text(sequence.next(0x017f_22e2_79b0, &mut random)).to_vec()).unwrap();
        assert!(id.starts_with("017f22e2-79b0-7"), "{id}");
        assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{id}");
        assert_eq!(text(0x017f_22e2_79b0_7cc3_98c4_dc0c_0c07_398f), *b"017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    }

    #[test]
    fn a_millisecond_that_is_full_borrows_from_the_next() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut sequence = Sequence { millis: 5, random: (1 << RANDOM) - 1 };
        let id = sequence.next(5, &mut random);
        assert_eq!((id >> 80, sequence.millis), (6, 6));
        assert_eq!(sequence.next(3, &mut random) >> 80, 6, "the clock went back");
    }
}
