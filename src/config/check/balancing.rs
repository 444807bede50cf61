//! How a backend is picked: the algorithm, the hash, affinity, load reports.

use std::path::Path;

use serde::Deserialize;

use super::Checker;
use crate::config::raw;
use crate::config::syntax::service as syntax;
use crate::config::tree::KeyPath;
use crate::policy::{Balance, KeyFrom, LoadReports, Ring, weights_differ};

/// Larger files of backends are not looked at.
const LARGEST: u64 = 16 << 20;

impl Checker<'_> {
    pub(super) fn balance(&mut self, at: &KeyPath, raw: &raw::Service) -> Balance {
        // an algorithm that is none has been reported, and which one was meant nobody knows
        let known = self.findings.removed(&at.key("balance")).is_none();
        if known {
            self.weights_without_effect(at, raw);
        }
        let hashes = [&raw.balance].into_iter().chain(&raw.shadow).any(|by| *by == raw::Balance::ConsistentHash);
        if known && !hashes && self.present(&at.key("hash")) {
            let mistake = self.key_mistake(&at.key("hash"), "`hash` has no effect");
            self.report(mistake.warning().help("it is for balance = \"consistent_hash\""));
        }
        let bound = raw.hash.bounded_load;
        if bound > 0.0 && bound <= 1.0 {
            let message = "no backend can be kept at or below the mean";
            let mistake = self.mistake(&at.key("hash").key("bounded_load"), message);
            self.report(mistake.expected("0 (off), or a number above 1 such as 1.25"));
        }
        algorithm(raw.balance, raw)
    }

    /// The algorithms in the shadow. Reports those that would tell nothing.
    pub(super) fn shadow(&mut self, at: &KeyPath, raw: &raw::Service) -> Vec<Balance> {
        let shadow_at = at.key("shadow");
        for (index, by) in raw.shadow.iter().enumerate() {
            let at = shadow_at.index(index);
            let name = by.as_str();
            if *by == raw.balance && self.findings.removed(&shadow_at).is_none() {
                let mistake =
                    self.mistake(&at, format!("`{name}` decides already: beside itself it would tell nothing"));
                self.report(mistake.help("name other algorithms than that of `balance`"));
            } else if raw.shadow[..index].contains(by) {
                let mistake = self.mistake(&at, format!("`{name}` is named twice"));
                self.report(mistake.help("once is enough"));
            }
        }
        let hash = raw.shadow.iter().position(|by| *by == raw::Balance::ConsistentHash);
        let hash = hash.filter(|_| raw.balance != raw::Balance::ConsistentHash && !self.present(&at.key("hash")));
        if let Some(index) = hash {
            let mistake = self.mistake(&shadow_at.index(index), "`consistent_hash` without a `hash` section");
            self.report(mistake.help("say what is hashed: hash = { on = \"client_ip\" }"));
        }
        raw.shadow.iter().map(|by| algorithm(*by, raw)).collect()
    }
}

/// An algorithm with its settings.
fn algorithm(by: raw::Balance, raw: &raw::Service) -> Balance {
    match by {
        raw::Balance::RoundRobin => Balance::RoundRobin,
        raw::Balance::WeightedRoundRobin => Balance::WeightedRoundRobin,
        raw::Balance::LeastConnections => Balance::LeastConnections,
        raw::Balance::WeightedLeastConnections => Balance::WeightedLeastConnections,
        raw::Balance::ResourceBased => Balance::ResourceBased,
        raw::Balance::ResponseTime => Balance::ResponseTime,
        raw::Balance::ConsistentHash => {
            Balance::ConsistentHash(Ring { virtual_nodes: raw.hash.virtual_nodes, bounded_load: raw.hash.bounded_load })
        }
        raw::Balance::PowerOfTwo => Balance::PowerOfTwo,
    }
}

/// Which algorithm heeds weights, where neither that of the service nor one in its shadow does.
fn heeding(raw: &raw::Service) -> Option<&'static str> {
    let heeds = |by: &raw::Balance| algorithm(*by, raw).heeding().is_none();
    algorithm(raw.balance, raw).heeding().filter(|_| !raw.shadow.iter().any(heeds))
}

/// What counts of a backend in a file for how work is shared.
#[derive(Debug, Deserialize)]
struct Weighed {
    #[serde(default = "usual_weight")]
    weight: u32,
    #[serde(default)]
    backup: bool,
}

fn usual_weight() -> u32 {
    raw::Backend::default().weight
}

/// The weights in a file of backends; none where it can't be read.
fn weights_in(file: &Path) -> Vec<Weighed> {
    let is_readable = std::fs::metadata(file).is_ok_and(|file| file.is_file() && file.len() <= LARGEST);
    let text = is_readable.then(|| std::fs::read(file).ok()).flatten().unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

impl Checker<'_> {
    /// Warns, once for a service, of weights that its algorithm does not look at. A weight of 0 is a backend without new
    /// work with all algorithms.
    fn weights_without_effect(&mut self, at: &KeyPath, raw: &raw::Service) {
        let Some(heeding) = heeding(raw) else { return };
        let usual = raw::Backend::default().weight;
        let Some(index) = raw.backend.iter().position(|b| b.weight != 0 && b.weight != usual) else { return };
        let message = format!("`{}` does not heed weights", raw.balance.as_str());
        let mistake = self.key_mistake(&at.key("backend").index(index).key("weight"), message);
        self.report(mistake.warning().help(heeding));
    }

    /// Warns of different weights in a file of backends, as far as it can be read now: the process tells what is wrong with it. What DNS and etcd say
    /// is told by the process as well.
    pub(super) fn discovered_weights(&mut self, at: &KeyPath, raw: &raw::Service) {
        let Some(file) = raw.discover.as_ref().and_then(|discover| discover.file.as_ref()) else { return };
        let known = self.findings.removed(&at.key("balance")).is_none();
        let Some(heeding) = heeding(raw).filter(|_| known) else { return };
        let found = weights_in(&self.file(file));
        if weights_differ(found.iter().map(|of| (of.weight, of.backup))) {
            let message = format!("`{}` does not heed weights, and those in `{file}` differ", raw.balance.as_str());
            let mistake = self.mistake(&at.key("discover").key("file"), message);
            self.report(mistake.warning().help(heeding));
        }
    }

    /// What the hash is taken of; a value that can't be read has been reported.
    pub(super) fn hash_on(&self, raw: &raw::HashKey) -> KeyFrom {
        syntax::hash_key(&raw.on).unwrap_or(KeyFrom::ClientIp)
    }

    pub(super) fn load_reports(&mut self, at: &KeyPath, raw: &raw::LoadReports) -> LoadReports {
        if !raw.orca && !raw.utilization.is_empty() {
            let mistake = self.key_mistake(&at.key("load_reports").key("utilization"), "`utilization` has no effect");
            self.report(
                mistake.warning().help("it is about what answers say, and `orca = false` has that left unread"),
            );
        }
        let agent = raw.agent.as_ref().and_then(|agent| Some((agent.port?, agent.interval.0)));
        let utilization =
            raw.utilization.iter().filter_map(|text| syntax::named_metric(text).ok()).map(Box::from).collect();
        LoadReports { orca: raw.orca, utilization, agent, expire: raw.expire.0 }
    }
}
