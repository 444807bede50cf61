//! `[[service.NAME.recover]]` and `[service.NAME.recovery]`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Checker, all};
use crate::config::model::{Recovery, StrategyMeans};
use crate::config::raw::{self, Recover, Strategy};
use crate::config::syntax::recovery::fault;
use crate::config::tree::KeyPath;
use crate::config::units::TimeSpan;
use crate::detect::fault::Fault;
use crate::recover::{Limits, Plan, StrategyKind, StrategyPlan};

/// The strategies that run or call something.
const WITH_MEANS: &[Strategy] = &[Strategy::Restart, Strategy::ScaleUp, Strategy::Custom];

/// The keys that not every strategy has.
const KEYS: [(&str, &[Strategy]); 17] = [
    ("run", WITH_MEANS),
    ("systemd", WITH_MEANS),
    ("webhook", WITH_MEANS),
    ("secret_file", WITH_MEANS),
    ("ca", WITH_MEANS),
    ("time_out", WITH_MEANS),
    ("environment", WITH_MEANS),
    ("undo", WITH_MEANS),
    ("drain", &[Strategy::Restart, Strategy::Custom]),
    ("to", &[Strategy::Failover]),
    ("back_after", &[Strategy::Failover]),
    ("max_instances", &[Strategy::ScaleUp]),
    ("down", &[Strategy::ScaleUp]),
    ("down_webhook", &[Strategy::ScaleUp]),
    ("down_after", &[Strategy::ScaleUp]),
    ("path", &[Strategy::CircuitBreak]),
    ("open_for", &[Strategy::CircuitBreak]),
];

/// A service whose recovery is checked.
pub(super) struct Subject<'a> {
    pub(super) at: &'a KeyPath,
    pub(super) name: &'a str,
    pub(super) raw: &'a raw::Service,
}

impl Checker<'_> {
    /// `Some(None)` = nothing is done about faults; `None` = something is wrong, and has been reported.
    pub(super) fn recovery(&mut self, at: &KeyPath, name: &str, raw: &raw::Service) -> Option<Option<Recovery>> {
        let limits = raw.recovery.as_ref().map(|recovery| self.limits(&at.key("recovery"), recovery));
        let recover = raw.recover.as_deref().unwrap_or_default();
        if recover.is_empty() {
            if limits.is_some() && self.findings.removed(&at.key("recover")).is_none() {
                let mistake = self.key_mistake(&at.key("recovery"), "`recovery` has no effect");
                let help = format!("nothing is done about faults without a section [[service.{name}.recover]]");
                self.report(mistake.warning().help(help));
            }
            return Some(None);
        }
        let listed = at.key("recover");
        if !self.present(&at.key("detect")) && !self.present(&at.key("health")) {
            let mistake = self.mistake(&listed, "faults are found by the answers of backends alone");
            self.report(mistake.warning().help(format!("add [service.{name}.health] or [service.{name}.detect]")));
        }
        self.unique_strategies(&listed, recover);
        let subject = Subject { at, name, raw };
        let strategies = recover.iter().enumerate();
        let strategies = all(strategies.map(|(i, raw)| self.strategy(&listed.index(i), &subject, raw)).collect());
        let (strategies, means) = strategies?.into_iter().unzip();
        let recovery = raw.recovery.as_ref()?;
        let plan =
            Plan { strategies, limits: limits?, dry_run: recovery.dry_run, ask: recovery.approve == raw::Approve::Ask };
        Some(Some(Recovery { plan, means }))
    }

    fn limits(&mut self, at: &KeyPath, raw: &raw::Recovery) -> Limits {
        if raw.max_disrupted <= 0.0 {
            let mistake = self.mistake(&at.key("max_disrupted"), "`max_disrupted` can't be 0");
            self.report(mistake.expected("a share above 0").help("to see what would be done: dry_run = true"));
        }
        Limits {
            cool_down: raw.cool_down.0,
            max_at_once: raw.max_at_once as usize,
            max_disrupted: raw.max_disrupted,
            max_unhealthy: raw.max_unhealthy,
            per_hour: raw.per_hour,
        }
    }

    fn unique_strategies(&mut self, at: &KeyPath, raw: &[Recover]) {
        let mut names = HashMap::new();
        for (index, recover) in raw.iter().enumerate() {
            let Some(name) = &recover.name else { continue };
            // a name that could not be used was reported, and its strategy's word stands in its place
            if self.findings.removed(&at.index(index).key("name")).is_some() {
                continue;
            }
            let place = at.index(index).key("name");
            if let Some(first) = names.insert(name, place.clone()) {
                let mistake = self.mistake(&place, format!("another strategy of the service is named `{name}`"));
                let help = format!("{}; give this one a name of its own: name = \"...\"", self.first_in(&first));
                self.report(mistake.help(help));
            }
        }
    }

    fn strategy(&mut self, at: &KeyPath, of: &Subject<'_>, raw: &Recover) -> Option<(StrategyPlan, StrategyMeans)> {
        let strategy = raw.strategy?;
        let alien = self.keys_of_others(at, strategy);
        let on = self.faults(at, raw);
        let means = match WITH_MEANS.contains(&strategy) {
            true => self.means(at, raw),
            false => Some((None, None, None)),
        };
        let kind = self.kind(at, of, strategy, raw);
        let within = raw.within.map_or(Duration::ZERO, |within| within.0);
        if alien {
            return None;
        }
        let name: Arc<str> = raw.name.as_deref()?.into();
        let (act, undo, down) = means?;
        let plan = StrategyPlan {
            name: name.clone(),
            kind: kind?,
            on: on?,
            attempts: raw.attempts,
            delay: raw.delay.0,
            within,
            prior: raw.prior,
            has_undo: undo.is_some(),
        };
        Some((plan, StrategyMeans { strategy: name, act, undo, down }))
    }

    /// Reports keys that this strategy does not have.
    fn keys_of_others(&mut self, at: &KeyPath, strategy: Strategy) -> bool {
        let is_alien = |(key, of): &(&str, &[Strategy])| !of.contains(&strategy) && self.present(&at.key(key));
        let alien: Vec<_> = KEYS.into_iter().filter(is_alien).collect();
        for (key, of) in &alien {
            let word = strategy.as_str();
            let mistake = self.key_mistake(&at.key(key), format!("strategy = \"{word}\" has no key `{key}`"));
            let of: Vec<String> = of.iter().map(|of| format!("\"{}\"", of.as_str())).collect();
            self.report(mistake.help(format!("it is for strategy = {}", of.join(" or "))));
        }
        !alien.is_empty()
    }

    fn faults(&mut self, at: &KeyPath, raw: &Recover) -> Option<Vec<Fault>> {
        match &raw.on {
            Some(names) if !names.is_empty() => {
                let mut faults = all(names.iter().map(|name| fault(name).ok()).collect())?;
                faults.sort_unstable();
                faults.dedup();
                Some(faults)
            }
            _ if self.findings.removed(&at.key("on")).is_some() => None,
            _ => {
                let mistake = self.mistake(&at.key("on"), "it is not said what this strategy is tried against");
                let known = Fault::ALL.map(Fault::as_str).join(", ");
                self.report(mistake.expected(format!("`on` with some of {known}")));
                None
            }
        }
    }

    fn kind(&mut self, at: &KeyPath, of: &Subject<'_>, strategy: Strategy, raw: &Recover) -> Option<StrategyKind> {
        // each has a default, which was filled in
        let set = |time: Option<TimeSpan>| time.map_or(Duration::ZERO, |time| time.0);
        Some(match strategy {
            Strategy::Restart => {
                self.only_backend(at, of);
                StrategyKind::Restart { drain: set(raw.drain) }
            }
            Strategy::Failover => StrategyKind::Failover {
                to: self.destination(&at.key("to"), of, raw.to.as_deref()?)?,
                back_after: set(raw.back_after),
            },
            Strategy::ScaleUp => StrategyKind::ScaleUp {
                max_instances: self.max_instances(at, of, raw)?,
                has_down: raw.down.is_some() || raw.down_webhook.is_some(),
                down_after: set(raw.down_after),
            },
            Strategy::CircuitBreak => {
                self.cuts_all(at, raw);
                StrategyKind::CircuitBreak { path: raw.path.as_deref().map(Arc::from), open_for: set(raw.open_for) }
            }
            Strategy::Custom => StrategyKind::Custom { drain: raw.drain.map(|drain| drain.0) },
        })
    }

    fn only_backend(&mut self, at: &KeyPath, of: &Subject<'_>) {
        if of.raw.backend.len() == 1 && !self.present(&of.at.key("discover")) {
            let mistake =
                self.mistake(&at.key("strategy"), "the only backend is restarted when it is down, and not before");
            self.report(mistake.warning().help("the last backend that can be used is never taken out"));
        }
    }

    fn cuts_all(&mut self, at: &KeyPath, raw: &Recover) {
        if raw.path.as_deref() == Some("/") {
            let mistake =
                self.mistake(&at.key("path"), "every request of the service is cut off while the circuit is open");
            self.report(mistake.warning().help("without `path` only the backend that fails gets no requests"));
        }
    }

    fn max_instances(&mut self, at: &KeyPath, of: &Subject<'_>, raw: &Recover) -> Option<usize> {
        if !self.present(&of.at.key("discover")) {
            let mistake = self.mistake(&at.key("strategy"), "backends that are started will not be seen");
            self.report(mistake.warning().help(format!("add [service.{}.discover], which finds them", of.name)));
        }
        let place = at.key("max_instances");
        let Some(most) = raw.max_instances.map(|most| most as usize) else {
            if self.findings.removed(&place).is_none() {
                let mistake = self.mistake(at, "`max_instances` is missing");
                self.report(mistake.help("strategy = \"scale_up\" needs it"));
            }
            return None;
        };
        let written = of.raw.backend.len();
        if most < written {
            let mistake = self.mistake(&place, format!("the file has {written} backends already"));
            self.report(mistake.warning().help("with `max_instances` below that, none is ever started"));
        }
        Some(most)
    }
}
