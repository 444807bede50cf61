//! How the work of a service is divided among zones, in words. Pure.

use std::sync::Arc;

use crate::detect::phrase;
use crate::endpoint::standing::WHOLE;

/// The zones of a service that prefers its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneFacts {
    /// That of this instance.
    pub own: Arc<str>,
    /// All that have backends which may get work, and the own one, by name.
    pub each: Box<[ZoneFact]>,
    /// Whether the work is divided among them now.
    pub are_heeded: bool,
}

/// A zone at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneFact {
    /// Empty = that of backends without one.
    pub name: Box<str>,
    /// How many backends it has that are no backups.
    pub total: usize,
    /// How many of these can be used.
    pub usable: usize,
    /// The part of the work that it gets, in thousandths.
    pub part: u32,
}

impl ZoneFacts {
    /// The zone of this name.
    pub fn named(&self, name: &str) -> Option<&ZoneFact> {
        self.each.iter().find(|zone| *zone.name == *name)
    }

    /// Where the work goes, and why, as one sentence without its end. `panic`: health is ignored. `has_detour`: a failover is in force.
    pub fn words(&self, panic: bool, has_detour: bool) -> String {
        let own = &self.own;
        if !self.are_heeded {
            return match (panic, has_detour) {
                (true, _) => "zones are ignored while health is".to_owned(),
                (_, true) => "zones are ignored while a failover is in force".to_owned(),
                _ => format!("no zone but this instance's {own} has backends that can be used"),
            };
        }
        let Some(home) = self.named(own) else { return format!("this instance is in zone {own}") };
        let has = format!("{} of {} usable", home.usable, home.total);
        if home.part >= WHOLE {
            return format!("all work stays in this instance's zone {own}, which has {has}, its share or more");
        }
        let others = self.each.iter().filter(|zone| *zone.name != **own && zone.part > 0);
        let others: Vec<String> = others
            .map(|zone| format!("{} to {} ({} of {} usable)", share(zone.part), zone.shown(), zone.usable, zone.total))
            .collect();
        let stays = match home.part {
            0 => "nothing".to_owned(),
            part => share(part),
        };
        format!(
            "this instance's zone {own} has {has}, less than its share: {stays} of the work stays, and {}",
            others.join(", ")
        )
    }
}

impl ZoneFact {
    /// Its name for people.
    pub fn shown(&self) -> String {
        if self.name.is_empty() { "no zone".to_owned() } else { format!("zone {}", self.name) }
    }
}

/// Thousandths in words.
pub fn share(part: u32) -> String {
    phrase::share(f64::from(part) / f64::from(WHOLE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::why::testing::zones;

    #[test]
    fn it_is_said_why_work_leaves_a_zone_and_for_where() {
        assert_eq!(
            zones([(1, 4, 429), (3, 3, 286), (3, 3, 286)]).words(false, false),
            "this instance's zone a has 1 of 4 usable, less than its share: 43 % of the work stays, and \
             29 % to zone b (3 of 3 usable), 29 % to zone c (3 of 3 usable)"
        );
        assert_eq!(
            zones([(0, 4, 0), (3, 3, 1000), (0, 3, 0)]).words(false, false),
            "this instance's zone a has 0 of 4 usable, less than its share: nothing of the work stays, and \
             100 % to zone b (3 of 3 usable)"
        );
    }

    #[test]
    fn it_is_said_that_all_work_stays_and_when_zones_are_ignored() {
        let strong = zones([(3, 3, 1000), (3, 3, 0), (3, 3, 0)]);
        assert_eq!(
            strong.words(false, false),
            "all work stays in this instance's zone a, which has 3 of 3 usable, its share or more"
        );
        let ignored = ZoneFacts { are_heeded: false, ..strong };
        assert_eq!(ignored.words(true, false), "zones are ignored while health is");
        assert!(ignored.words(false, false).starts_with("no zone but this instance's a"));
    }
}
