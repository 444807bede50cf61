//! Which backends are healthy: active checks, and ejection by what real traffic shows.
//!
//! ```text
//!   schedule ──▶ probe ──▶ counter ──▶ Standing ──▶ the next snapshot        active: monitor.rs drives it
//!   (when)       (I/O)     (rise, fall)   ▲
//!   counters of exchanges ──▶ window ──▶ outlier                             passive: ejector.rs drives it
//! ```
//!
//! A backend with several addresses is checked over each of them; [`paths`] finds out which are used.
//!
//! All of it runs on the control plane. The parts that decide ([`rise_fall`], [`schedule`], [`checks`], [`window`],
//! [`outlier`]) are pure and take the time as an argument; the parts that do I/O or keep time ([`probe`], [`monitor`],
//! [`ejector`]) decide nothing. A decision is written to the backend's `Standing`, and the owner of the snapshots is
//! notified that a new one is due.

pub mod checks;
pub mod dependencies;
pub mod rise_fall;
pub mod ejector;
pub mod faults;
pub mod monitor;
pub mod outlier;
pub mod paths;
pub mod probe;
pub mod schedule;
pub mod window;
pub mod work_share;
