//! Where a failover of `[[service.NAME.recover]]` sends the work.

use std::collections::BTreeSet;

use super::Checker;
use super::recovery::Subject;
use crate::config::raw::Discover;
use crate::config::syntax::{nearest, recovery};
use crate::config::tree::KeyPath;
use crate::recover::plan::Destination;

impl Checker<'_> {
    /// `None` = it can't go there, and that has been reported.
    pub(super) fn destination(&mut self, at: &KeyPath, of: &Subject<'_>, written: &str) -> Option<Destination> {
        if self.findings.removed(at).is_some() {
            return None;
        }
        let to = recovery::destination(written).ok()?;
        let good = match &to {
            Destination::Backups => self.has_backup(at, of),
            Destination::Zone(zone) => self.has_zone(at, of, zone),
            Destination::Service(name) if &**name == of.name => {
                let mistake = self.mistake(at, "a service can't fail over to itself");
                self.report(mistake.expected("another service, \"backups\" or \"zone:NAME\""));
                false
            }
            Destination::Service(name) => self.service_named(at, name).is_some(),
        };
        good.then_some(to)
    }

    fn has_backup(&mut self, at: &KeyPath, of: &Subject<'_>) -> bool {
        let discovered = |discover: &Discover| discover.srv.is_some() || says_all(discover);
        if of.raw.backend.iter().any(|backend| backend.backup) || self.may_have(of, "backup", discovered) {
            return true;
        }
        let mistake = self.mistake(at, format!("the service `{}` has no backup to fail over to", of.name));
        self.report(mistake.expected("a backend with backup = true, or to = \"service:NAME\" or \"zone:NAME\""));
        false
    }

    fn has_zone(&mut self, at: &KeyPath, of: &Subject<'_>, zone: &str) -> bool {
        let zones: BTreeSet<&str> = of.raw.backend.iter().map(|backend| &*backend.zone).collect();
        if zones.contains(zone) {
            return true;
        }
        if self.may_have(of, "zone", says_all) {
            return true;
        }
        let near = nearest(zone, zones.iter().copied()).map(|near| format!("zone:{near}"));
        let named: Vec<&str> = zones.into_iter().filter(|zone| !zone.is_empty()).collect();
        let mistake = self.mistake(at, format!("no backend of the service `{}` stands in the zone `{zone}`", of.name));
        self.report(mistake.near(near).expected(match named[..] {
            [] => "backends with a `zone`".to_owned(),
            _ => format!("one of the zones {}", named.join(", ")),
        }));
        false
    }

    /// Whether there may be backends with such a key that are not known here: discovered ones, and those that were reported.
    fn may_have(&self, of: &Subject<'_>, key: &str, discovered: impl Fn(&Discover) -> bool) -> bool {
        let (backends, discover) = (of.at.key("backend"), of.at.key("discover"));
        let removed = |path: &KeyPath| self.findings.removed(path).is_some();
        of.raw.discover.as_ref().is_some_and(discovered)
            || removed(&discover)
            || removed(&backends)
            || (0..of.raw.backend.len()).any(|index| removed(&backends.index(index).key(key)))
    }
}

/// Whether such a source may say all that can be said of a backend.
fn says_all(discover: &Discover) -> bool {
    discover.file.is_some() || discover.etcd.is_some()
}
