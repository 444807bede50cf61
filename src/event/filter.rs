//! Which events somebody wants to hear of: levels and kinds, as `[[notify]]` names them.

use super::{Event, Kind, Level, kind};

/// Each stands for every kind that begins with what is before the star.
const GROUPS: [&str; 13] = [
    "backend_*",
    "budget_*",
    "certificate_*",
    "config_*",
    "discovery_*",
    "incident_*",
    "ledger_*",
    "listener_*",
    "maintenance_*",
    "operator*",
    "otlp_*",
    "process_*",
    "recovery_*",
];

/// Names of levels, the lowest first.
const LEVELS: [(&str, Level); 3] = [("info", Level::Info), ("warn", Level::Warn), ("error", Level::Error)];

/// The events that somebody wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Events of this level and those above it.
    level: Option<Level>,
    /// Events of these kinds, whatever their level.
    kinds: Vec<&'static str>,
}

impl Filter {
    /// Adds what a word stands for: a level (and those above it), the name of a kind, or a group of kinds such as `backend_*`. `false` = it
    /// stands for nothing.
    pub fn add(&mut self, word: &str) -> bool {
        if let Some((_, level)) = LEVELS.iter().find(|(name, _)| *name == word) {
            self.level = Some(self.level.map_or(*level, |other| other.min(*level)));
            return true;
        }
        let before = self.kinds.len();
        let group = GROUPS.contains(&word).then(|| word.trim_end_matches('*'));
        let named = |name: &&'static str| *name == word || group.is_some_and(|group| name.starts_with(group));
        self.kinds.extend(kind::NAMES.into_iter().filter(named));
        self.kinds.len() > before
    }

    /// Every word that stands for something.
    pub fn words() -> impl Iterator<Item = &'static str> {
        LEVELS.iter().map(|(name, _)| *name).chain(GROUPS).chain(kind::NAMES)
    }

    /// Whether an event is wanted.
    pub fn has(&self, event: &Event) -> bool {
        self.has_kind(&event.kind)
    }

    fn has_kind(&self, kind: &Kind) -> bool {
        self.level.is_some_and(|level| kind.level() >= level) || self.kinds.contains(&kind.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(words: &[&str]) -> Filter {
        let mut filter = Filter::default();
        assert!(words.iter().all(|word| filter.add(word)));
        filter
    }

    #[test]
    fn a_level_means_that_one_and_those_above_and_a_kind_means_itself() {
        let (up, down) = (Kind::ServiceUp { available: 1, total: 1 }, Kind::ServiceDown { total: 1 });
        let panic = Kind::PanicBegan { available: 1, total: 4 };
        let has = |words: &[&str]| [&up, &panic, &down].map(|kind| filter(words).has_kind(kind));
        assert_eq!(has(&["info"]), [true; 3]);
        assert_eq!(has(&["warn"]), [false, true, true]);
        assert_eq!(has(&["error"]), [false, false, true]);
        assert_eq!(has(&["error", "warn"]), [false, true, true]);
        assert_eq!(has(&["error", "service_up"]), [true, false, true]);
        assert_eq!(has(&["backend_*"]), [false; 3]);
        assert!(filter(&["backend_*"]).has_kind(&Kind::BackendRemoved { by: "configuration" }));
    }

    #[test]
    fn every_word_stands_for_something_and_no_other_does() {
        Filter::words().for_each(|word| assert!(Filter::default().add(word), "{word}"));
        for word in ["", "debug", "backend", "backend_*_x", "WARN"] {
            assert!(!Filter::default().add(word), "{word}");
        }
    }
}
