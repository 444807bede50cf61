//! All that speaks for or against a backend at one moment, as plain values.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::zones::ZoneFacts;
use crate::detect::fault::{Detector, Fault};
use crate::endpoint::breaker;
use crate::endpoint::standing::{Health, Override};
use crate::endpoint::state::Condition;
use crate::health::checks::LastCheck;
use crate::health::ejector::Sight;
use crate::policy;

/// The settings of a service that its backends are judged by. All facts of a service share them until a reload.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// The service.
    pub service: Arc<str>,
    /// Passive ejection.
    pub outlier: policy::Outlier,
    /// Circuit breakers; `None` = there are none.
    pub breaker: Option<policy::Breaker>,
    /// Active checks; `None` = there are none.
    pub checks: Option<CheckLimits>,
    /// Zero = there is none.
    pub slow_start: Duration,
    /// 0 = health is never ignored.
    pub panic_threshold: f64,
}

/// When checks change the health of a backend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CheckLimits {
    /// Failed checks in a row.
    pub fall: u32,
    /// Good checks in a row.
    pub rise: u32,
    /// From one to the next.
    pub interval: Duration,
}

/// A backend at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// What it is judged by.
    pub limits: Arc<Limits>,
    /// Its id.
    pub id: Arc<str>,
    /// When the facts were read.
    pub at: SystemTime,
    /// Its state, and who decides that.
    pub condition: Condition,
    /// Why, in the words with which that was announced.
    pub reason: Box<str>,
    /// Since when.
    pub since: SystemTime,
    /// What people, the configuration and its agent say.
    pub said: Said,
    /// Recovery repairs it.
    pub is_repaired: bool,
    /// For how much longer recovery holds its circuit open.
    pub held_open: Option<Duration>,
    /// Its name has no address.
    pub is_unresolved: bool,
    /// What its checks have come to.
    pub health: Health,
    /// The last of them.
    pub check: Option<LastCheck>,
    /// What real traffic shows; `None` = nobody has looked so far.
    pub traffic: Option<Box<Sight>>,
    /// For how much longer it is ejected.
    pub ejected: Option<Duration>,
    /// How often it was ejected before that was forgotten.
    pub ejections: u32,
    /// Its circuit breaker.
    pub breaker: Option<breaker::Figures>,
    /// The share of its work that it gets, in thousandths.
    pub work_share: u32,
    /// For how long it has been there, or back.
    pub joined: Duration,
    /// The zone that it stands in.
    pub zone: Arc<str>,
    /// The paths to it, in the order in which they are written; empty = there is one, or nobody checks them.
    pub paths: Box<[PathFact]>,
    /// It gets work only while no other can.
    pub is_backup: bool,
    /// It may be picked.
    pub is_picked: bool,
    /// The backends of its service together.
    pub fleet: Fleet,
    /// What the detectors have agreed on of it, or of what it is a part of.
    pub votes: Box<[Vote]>,
    /// What recovery does for its service.
    pub recovery: Recovery,
}

/// What people, the configuration and the agent say of a backend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Said {
    /// What an operator has set.
    pub operator: Override,
    /// `drain` in the configuration.
    pub drains: bool,
    /// What its agent has set.
    pub agent: Override,
    /// Its weight in force.
    pub weight: u32,
    /// Its weight in the configuration.
    pub configured_weight: u32,
}

/// The backends of a service together.
#[derive(Debug, Clone, PartialEq)]
pub struct Fleet {
    /// All.
    pub total: usize,
    /// Those that can be used.
    pub usable: usize,
    /// Those that are no backups and that nobody has taken out.
    pub primaries: usize,
    /// Those of these that can be used.
    pub usable_primaries: usize,
    /// Health is ignored, because too few of them can be used.
    pub panic: bool,
    /// Where a failover of recovery sends the work, and which part of it, in thousandths.
    pub detour: Option<(Arc<str>, u32)>,
    /// Its zones, where this instance prefers its own.
    pub zones: Option<Arc<ZoneFacts>>,
}

/// A path to a backend that has several addresses.
#[derive(Debug, Clone, PartialEq)]
pub struct PathFact {
    /// Where it leads.
    pub address: SocketAddr,
    /// Whether it works, as far as is known.
    pub is_up: bool,
    /// Whether new connections go by it.
    pub is_chosen: bool,
    /// For how long it is up or down.
    pub since: Duration,
    /// The average time to connect, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// The share of what was tried over it of late that failed.
    pub loss: f64,
    /// What its last check has shown; empty = there was none.
    pub reason: Box<str>,
}

/// The vote of a detector for a fault that is a verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Vote {
    /// What is wrong.
    pub fault: Fault,
    /// Who says so.
    pub detector: Detector,
    /// How sure it is, from 0 to 1.
    pub confidence: f64,
    /// Of what, where it is not the backend itself: `service`, `host`, `zone`.
    pub of: Option<&'static str>,
    /// Why.
    pub text: Box<str>,
}

/// What recovery does for a service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recovery {
    /// Somebody wants this service to be repaired.
    pub is_on: bool,
    /// Recovery is paused.
    pub is_paused: bool,
    /// What holds it back.
    pub braked: Option<Box<str>>,
    /// The attempts for this backend that are under way or in force, in words.
    pub attempts: Box<[Box<str>]>,
}

impl Facts {
    /// About how many bytes of memory they take, but for what they share with others.
    pub fn bytes(&self) -> usize {
        let votes: usize = self.votes.iter().map(|vote| size_of::<Vote>() + vote.text.len()).sum();
        let sight = self
            .traffic
            .as_ref()
            .map_or(0, |sight| size_of::<Sight>() + sight.accused.as_ref().map_or(0, |text| text.len()));
        let check = self.check.as_ref().map_or(0, |check| check.reason.len());
        let attempts: usize = self.recovery.attempts.iter().map(|text| size_of::<Box<str>>() + text.len()).sum();
        let paths: usize = self.paths.iter().map(|path| size_of::<PathFact>() + path.reason.len()).sum();
        let braked = self.recovery.braked.as_ref().map_or(0, |text| text.len());
        size_of::<Self>() + self.reason.len() + votes + sight + check + attempts + paths + braked
    }

    /// The service and the backend, as people write them: `api/a`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.limits.service, self.id)
    }
}
