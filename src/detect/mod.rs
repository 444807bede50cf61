//! What is wrong with a fleet, told from what its traffic, its checks and its own reports show.
//!
//! Everything here is pure: samples and the time go in, opinions come out. Nothing reads a clock, opens a socket or knows of the rest of the
//! program, so that a simulation can run weeks in a second and recorded samples can be played again (`evenkeel detect --replay`).
//!
//! * [`sample`]: what a detector gets to see of a backend
//! * [`fault`]: the words in which detectors speak: faults, votes, verdicts
//! * [`service`]: the detection of one service: its detectors, and the vote
//! * [`settings`]: what a detection is told
//! * one file for each detector: [`anomaly`], [`heartbeat`], [`performance`], [`dependency`], [`reachability`], [`peers`]
//! * [`pair`]: a new service against the one that it is to replace, at the same moment
//! * `panel`: those of them that look once an interval; `guard`: what becomes of one that panics; `composite`: the vote
//! * [`statistics`], [`phrase`]: what they calculate with, and how they put figures into words

pub mod anomaly;
mod composite;
pub mod dependency;
pub mod fault;
mod guard;
pub mod heartbeat;
pub mod pair;
mod panel;
pub mod peers;
pub mod performance;
pub mod phrase;
pub mod reachability;
pub mod sample;
pub mod service;
pub mod settings;
pub mod statistics;
