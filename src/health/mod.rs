//! Which backends are well: active checks, and ejection by what real traffic shows.
//!
//! ```text
//!   schedule ──▶ probe ──▶ counter ──▶ Standing ──▶ the next snapshot        active: monitor.rs drives it
//!   (when)       (I/O)     (rise, fall)   ▲
//!   counters of exchanges ──▶ window ──▶ outlier                             passive: ejector.rs drives it
//! ```
//!
//! All of it runs on the control plane. What decides ([`rise_fall`], [`schedule`], [`checks`], [`window`], [`outlier`]) is pure and
//! takes the time as an argument; what does I/O or keeps time ([`probe`], [`monitor`], [`ejector`]) decides nothing. A verdict is
//! written to the backend's `Standing`, and whoever owns the snapshots is told that a new one is due.

pub mod checks;
pub mod rise_fall;
pub mod ejector;
pub mod monitor;
pub mod outlier;
pub mod probe;
pub mod schedule;
pub mod window;
