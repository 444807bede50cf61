//! Balancing as a whole: what holds for every algorithm whatever the backends (`properties`), what happens over time in a
//! simulated fleet (`situations`, on the simulator in `simulator`), and who owns which key (`keys`).
//!
//! `picture` is no test: it writes down the runs that `docs/img/balancing.svg` is drawn from.

// what fails here should say so at once; what was measured is printed by `cargo test --test balance -- --show-output`
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod fleet;
mod keys;
mod picture;
mod properties;
mod simulator;
mod situations;
