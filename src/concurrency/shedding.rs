//! When requests begin to be refused, and when that is over: what operators are told.

use std::time::Duration;

use crate::clock::Moment;

/// When nothing was refused for so long, it is over. Overload comes in waves, and each wave is no news.
const QUIET: Duration = Duration::from_secs(10);

/// Whether requests are refused now.
#[derive(Debug, Default)]
pub struct Shedding {
    under_way: Option<UnderWay>,
}

#[derive(Debug, Clone, Copy)]
struct UnderWay {
    began: Moment,
    last: Moment,
    /// By priority.
    shed: [u64; 3],
}

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShedNews {
    /// The first requests were refused.
    Began,
    /// None is refused any more.
    Ended {
        /// How many were, the most important first.
        shed: [u64; 3],
        /// How long it took, from the first to the last of them.
        took: Duration,
    },
}

impl Shedding {
    /// So many were refused since the last look, the most important first.
    pub fn look(&mut self, now: Moment, shed: [u64; 3]) -> Option<ShedNews> {
        let is_any = shed != [0; 3];
        match &mut self.under_way {
            None if is_any => {
                self.under_way = Some(UnderWay { began: now, last: now, shed });
                Some(ShedNews::Began)
            }
            None => None,
            Some(under_way) if is_any => {
                under_way.last = now;
                under_way.shed.iter_mut().zip(shed).for_each(|(sum, shed)| *sum += shed);
                None
            }
            Some(under_way) if now.since(under_way.last) >= QUIET => {
                let UnderWay { began, last, shed } = *under_way;
                self.under_way = None;
                Some(ShedNews::Ended { shed, took: last.since(began) })
            }
            Some(_) => None,
        }
    }

    /// Whether it is under way.
    pub fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waves_are_one_piece_of_news_and_their_end_another() {
        let mut shedding = Shedding::default();
        let at = |seconds: u64| Moment::from_millis(1_000_000 + 1_000 * seconds);
        assert_eq!(shedding.look(at(0), [0, 0, 0]), None);
        assert_eq!(shedding.look(at(1), [0, 1, 2]), Some(ShedNews::Began));
        assert_eq!(shedding.look(at(2), [0; 3]), None);
        assert_eq!(shedding.look(at(11), [1, 0, 3]), None);
        assert_eq!(shedding.look(at(20), [0; 3]), None);
        assert!(shedding.is_under_way());
        let ended = ShedNews::Ended { shed: [1, 1, 5], took: Duration::from_secs(10) };
        assert_eq!(shedding.look(at(21), [0; 3]), Some(ended));
        assert_eq!(shedding.look(at(40), [0; 3]), None);
    }
}
