//! What gives way to a service whose error budget burns too fast, and why it does so no more.

use serde_json::{Value, json};

/// What gives way to a service: only what would do something else otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GivingWay {
    /// The services that send nothing again.
    pub retries: Vec<String>,
    /// The services that hedge nothing.
    pub hedges: Vec<String>,
    /// The services that are sent no copies of requests.
    pub mirrors: Vec<String>,
    /// The splits that send everything to their largest share.
    pub splits: Vec<SplitBack>,
    /// The canaries that take no further step.
    pub canaries: Vec<String>,
}

/// A split that sends everything to its largest share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitBack {
    /// The listener of the route.
    pub listener: String,
    /// Which of the listener's routes it is, from 1.
    pub route: usize,
    /// The service that gets everything.
    pub to: String,
}

/// Why nobody gives way to a service any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtectionEnd {
    /// Its error budget burns too fast no more.
    PageCleared,
    /// A reload has taken `protect` away.
    NotWished,
    /// A reload has taken its promise away.
    NothingPromised,
    /// A reload has taken the service away.
    ServiceGone,
}

impl GivingWay {
    pub(super) fn text(&self) -> String {
        let held_back =
            |what: &str, services: &[String]| (!services.is_empty()).then(|| format!("{what} {}", services.join(", ")));
        let back = |split: &SplitBack| {
            format!("route {} of the listener {} sends everything to {}", split.route, split.listener, split.to)
        };
        let all: Vec<String> = [
            held_back("retries are held back in", &self.retries),
            held_back("hedges are held back in", &self.hedges),
            held_back("no copies of requests are sent to", &self.mirrors),
        ]
        .into_iter()
        .flatten()
        .chain(self.splits.iter().map(back))
        .chain(held_back("no further step is taken by the canary", &self.canaries))
        .collect();
        match &all[..] {
            [] => "the error budget burns too fast, and there is nothing that could give way".to_owned(),
            all => format!("the error budget burns too fast: {}", all.join("; ")),
        }
    }

    pub(super) fn json(&self, reason: &str) -> Value {
        let split = |split: &SplitBack| json!({ "listener": split.listener, "route": split.route, "to": split.to });
        json!({
            "held_back": self.retries,
            "hedges": self.hedges,
            "mirrors": self.mirrors,
            "splits": self.splits.iter().map(split).collect::<Vec<_>>(),
            "canaries": self.canaries,
            "reason": reason,
        })
    }
}

impl ProtectionEnd {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::PageCleared => "the error budget burns too fast no more",
            Self::NotWished => "`protect` is off since a reload",
            Self::NothingPromised => "nothing is promised of the service any more since a reload",
            Self::ServiceGone => "the service is gone since a reload",
        }
    }

    pub(super) fn by(self) -> &'static str {
        match self {
            Self::PageCleared => "alert",
            Self::NotWished | Self::NothingPromised | Self::ServiceGone => "configuration",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_gives_way_is_named() {
        let nothing = GivingWay::default();
        assert_eq!(nothing.text(), "the error budget burns too fast, and there is nothing that could give way");
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let copies = GivingWay { mirrors: names(&["shadow", "next"]), ..nothing.clone() };
        assert_eq!(copies.text(), "the error budget burns too fast: no copies of requests are sent to shadow, next");
        let split = SplitBack { listener: "web".to_owned(), route: 2, to: "stable".to_owned() };
        let all = GivingWay {
            retries: names(&["batch"]),
            hedges: names(&["batch"]),
            splits: vec![split],
            canaries: names(&["next"]),
            ..copies
        };
        assert_eq!(
            all.text(),
            "the error budget burns too fast: retries are held back in batch; hedges are held back in batch; no copies of requests \
             are sent to shadow, next; route 2 of the listener web sends everything to stable; no further step is taken by the canary next"
        );
    }
}
