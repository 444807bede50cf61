//! One thing that is read from files, and that stays what it was while the files hold something that can't be used.
//!
//! A renewal often comes in two steps, the certificate first and then the key. In between the two do not fit, and that is no mistake: what was read
//! before stays, and the next step is waited for. What still can't be used after [`GRACE`] is told, once for each content.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::read::Reading;
use super::unusable::Unusable;
use crate::stamp::Stamp;

/// How long files may hold what can't be used before that is told: far longer than it takes to replace two files, far shorter than people wait.
pub const GRACE: Duration = Duration::from_secs(5);

/// Something that was read from files.
#[derive(Debug)]
pub struct Kept<T> {
    in_force: Option<Arc<T>>,
    /// The files as they were when they were last read.
    seen: Option<Vec<Option<Stamp>>>,
    trouble: Option<Trouble>,
    /// The content that was last told to be unusable.
    told: Option<u64>,
    /// Why the files can't be used, where they have held that for too long.
    refused: Option<Unusable>,
}

/// The files hold something that can't be used.
#[derive(Debug)]
struct Trouble {
    since: Instant,
    content: u64,
}

/// What a look has found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing that is to be told.
    Nothing,
    /// Something else than before, which is in force now.
    New,
    /// The files have held this for too long.
    Unusable(Unusable),
}

impl<T: PartialEq> Kept<T> {
    /// What is in force already, if there is something.
    pub fn new(in_force: Option<Arc<T>>) -> Self {
        Self { in_force, seen: None, trouble: None, told: None, refused: None }
    }

    /// What is in force.
    pub fn in_force(&self) -> Option<&Arc<T>> {
        self.in_force.as_ref()
    }

    /// Why the files can't be used, where they have held that for too long; what is in force stays meanwhile.
    pub fn refused(&self) -> Option<&Unusable> {
        self.refused.as_ref()
    }

    /// Looks at the files. They are read where they are not what they were, or can't be used: `read` gets what is in force, and its error is also that
    /// what it has read may not replace that. What is read while it is written counts for nothing.
    pub fn look(
        &mut self,
        stamps: impl Fn() -> Vec<Option<Stamp>>,
        now: Instant,
        read: impl FnOnce(Option<&T>) -> Reading<T>,
    ) -> Found {
        let before = stamps();
        if self.seen.as_ref() == Some(&before) && self.trouble.is_none() {
            return Found::Nothing;
        }
        let Reading { content, result } = read(self.in_force.as_deref());
        if stamps() != before {
            self.seen = None;
            return Found::Nothing;
        }
        self.seen = Some(before);
        match result {
            Ok(next) => {
                self.trouble = None;
                self.refused = None;
                if self.in_force.as_deref() == Some(&next) {
                    return Found::Nothing;
                }
                self.told = None;
                self.in_force = Some(Arc::new(next));
                Found::New
            }
            Err(unusable) => self.unusable(content, unusable, now),
        }
    }

    fn unusable(&mut self, content: u64, unusable: Unusable, now: Instant) -> Found {
        let since = match &self.trouble {
            Some(trouble) if trouble.content == content => trouble.since,
            _ => now,
        };
        self.trouble = Some(Trouble { since, content });
        if now.duration_since(since) < GRACE {
            return Found::Nothing;
        }
        self.refused = Some(unusable.clone());
        if self.told == Some(content) {
            return Found::Nothing;
        }
        self.told = Some(content);
        Found::Unusable(unusable)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::certificate::unusable::Part;

    /// Files that hold a number, odd ones of which can't be used.
    struct Play {
        kept: Kept<u64>,
        began: Instant,
    }

    impl Play {
        fn look(&mut self, seconds: u64, holds: u64) -> Found {
            let result = match holds % 2 {
                0 => Ok(holds),
                _ => Err(Unusable::new(Part::Key, Path::new("x"), holds.to_string())),
            };
            let now = self.began + Duration::from_secs(seconds);
            // what the stamps say is played by their number
            let stamps = vec![None; usize::try_from(holds).unwrap()];
            self.kept.look(|| stamps.clone(), now, |_| Reading { content: holds, result })
        }

        fn in_force(&self) -> u64 {
            **self.kept.in_force().unwrap()
        }
    }

    fn play() -> Play {
        Play { kept: Kept::new(Some(Arc::new(2))), began: Instant::now() }
    }

    fn unusable(message: &str) -> Found {
        Found::Unusable(Unusable::new(Part::Key, Path::new("x"), message.to_owned()))
    }

    #[test]
    fn what_can_be_used_is_in_force_at_once_and_what_is_the_same_is_nothing_new() {
        let mut play = play();
        assert_eq!([play.look(0, 2), play.look(1, 4), play.look(2, 4)], [Found::Nothing, Found::New, Found::Nothing]);
        assert_eq!(play.in_force(), 4);
    }

    #[test]
    fn a_step_in_between_is_not_told_and_what_was_in_force_stays() {
        let mut play = play();
        assert_eq!([play.look(0, 3), play.look(4, 3)], [Found::Nothing, Found::Nothing]);
        assert_eq!(play.in_force(), 2);
        assert_eq!([play.look(4, 4), play.look(60, 4)], [Found::New, Found::Nothing]);
        assert_eq!(play.in_force(), 4);
        assert_eq!(play.kept.refused(), None);
    }

    #[test]
    fn what_stays_unusable_is_told_once_for_each_content() {
        let mut play = play();
        assert_eq!(
            [play.look(0, 3), play.look(5, 3), play.look(500, 3)],
            [Found::Nothing, unusable("3"), Found::Nothing]
        );
        assert_eq!(
            [play.look(501, 5), play.look(505, 5), play.look(506, 5)],
            [Found::Nothing, Found::Nothing, unusable("5")]
        );
        assert_eq!(play.in_force(), 2);
        // back to what is in force, and to the same mistake again
        assert_eq!(
            [play.look(600, 2), play.look(601, 5), play.look(700, 5)],
            [Found::Nothing, Found::Nothing, Found::Nothing]
        );
        assert!(play.kept.refused().is_some(), "it is not told again, and it is so all the same");
        // after another good one it is told anew
        assert_eq!(
            [play.look(701, 6), play.look(702, 5), play.look(710, 5)],
            [Found::New, Found::Nothing, unusable("5")]
        );
    }
}
