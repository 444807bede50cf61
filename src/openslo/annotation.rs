//! The annotations in which OpenSLO files carry what the specification has no word for. All stand at the `Service`.

/// What the names of all of ours begin with.
pub const PREFIX: &str = "evenkeel.dev/";
/// The service's name, where OpenSLO would not allow it.
pub const SERVICE: &str = "evenkeel.dev/service";
/// The name of the tier.
pub const TIER: &str = "evenkeel.dev/tier";
/// The recovery time objective.
pub const RTO: &str = "evenkeel.dev/rto";
/// The recovery point objective.
pub const RPO: &str = "evenkeel.dev/rpo";
/// The mean time to repair that is aimed at.
pub const MTTR: &str = "evenkeel.dev/mttr";
/// The mean time between failures that is aimed at.
pub const MTBF: &str = "evenkeel.dev/mtbf";
/// How long an answer may take to be good. With requests, OpenSLO knows only queries.
pub const LATENCY: &str = "evenkeel.dev/latency";
/// The rolling window, where it is not one of whole minutes.
pub const WINDOW: &str = "evenkeel.dev/window";
/// The floor, where it is 0: `timeSliceTarget` has to be above.
pub const FLOOR: &str = "evenkeel.dev/floor";
/// Whether the budget is protected.
pub const PROTECT: &str = "evenkeel.dev/protect";
/// What the maintenance windows begin with: they are numbered from 1.
pub const MAINTENANCE: &str = "evenkeel.dev/maintenance-";
/// The short one of an alert's two windows.
pub const SHORT_WINDOW: &str = "evenkeel.dev/short-window";
