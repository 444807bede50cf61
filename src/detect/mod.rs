//! What is wrong with a fleet, told from what its traffic, its checks and its own reports show.
//!
//! Everything here is pure: samples and the time go in, opinions come out. Nothing reads a clock, opens a socket or knows of the rest of the
//! program, so that a simulation can run weeks in a second and recorded samples can be played again (`evenkeel detect --replay`).
//!
//! * [`sample`]: what a detector gets to see of a backend
//! * [`fault`]: the words in which detectors speak: faults, votes, verdicts
//! * [`service`]: the detection of one service: its detectors, and the vote
//! * one file for each detector

pub mod fault;
pub mod sample;
pub mod service;
