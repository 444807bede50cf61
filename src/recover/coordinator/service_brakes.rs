//! The brakes that hold faults of a service whichever backend has them. Each is told once for the service, and not once for each backend: where a
//! zone is lost, hundreds of backends are held by the same one.

use std::time::Duration;

use crate::clock::Moment;

/// What is held is looked at again after this time, where nothing has changed before that could let it go.
pub(super) const LOOKS_AGAIN: Duration = Duration::from_secs(1);
/// A brake that has held nothing for so long is told again when it does. One that comes and goes is told once.
const QUIET: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct ServiceBrakes {
    list: Vec<ServiceBrake>,
    /// The moment of the last look that is over.
    looked: Moment,
}

/// A brake that has held something.
#[derive(Debug)]
struct ServiceBrake {
    name: &'static str,
    /// When it was seen to hold something last.
    last: Moment,
    /// Why it did then, in words.
    text: String,
}

impl ServiceBrakes {
    /// Whether it is known already that this one holds something in the look of this moment.
    pub(super) fn is_known(&self, name: &str, now: Moment) -> bool {
        self.list.iter().any(|brake| brake.name == name && brake.last == now)
    }

    /// This one holds something now. Returns whether that is to be told.
    pub(super) fn holds(&mut self, name: &'static str, text: &str, now: Moment) -> bool {
        let before = self.list.iter().find(|brake| brake.name == name).map(|brake| brake.last);
        self.list.retain(|brake| brake.name != name);
        self.list.push(ServiceBrake { name, last: now, text: text.to_owned() });
        // it may be long ago that anybody has looked
        let still_holds = |last: Moment| self.looked.since(last) <= LOOKS_AGAIN;
        before.is_none_or(|last| !still_holds(last) && now.since(last) > QUIET)
    }

    /// A look is over.
    pub(super) fn looked(&mut self, now: Moment) {
        self.looked = now;
    }

    /// Each with the words of when it was seen to hold last.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.list.iter().map(|brake| (brake.name, brake.text.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brake_is_told_when_it_begins_to_hold_and_not_when_it_comes_and_goes() {
        let mut brakes = ServiceBrakes::default();
        let at = |secs| Moment::from_millis(1 << 41).plus(Duration::from_secs(secs));
        let mut look = |secs, holds: bool| {
            let is_told = holds && brakes.holds("max_unhealthy", "", at(secs));
            brakes.looked(at(secs));
            is_told
        };
        assert!(look(0, true));
        assert!(!look(1, true) && !look(2, false) && !look(30, true), "it comes and goes");
        assert!(!look(900, true), "nobody has looked meanwhile");
        assert!(!look(920, false) && look(961, true), "it has held nothing for a minute");
        assert!(brakes.holds("max_at_once", "", at(961)), "that is another one");
        assert!(brakes.is_known("max_at_once", at(961)) && !brakes.is_known("max_at_once", at(962)));
    }
}
