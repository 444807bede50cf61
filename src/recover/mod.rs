//! What is done about faults, and what is learned from it. Pure: the scene goes in with the time, and orders come out.
//!
//! ```text
//!   Scene (who is well, what is wrong) ──▶ Coordinator ──▶ Order (drain, run, fail over, enter, tell ...)
//!                                          │   ▲
//!                              Brakes ◀────┘   └──── Learned (which strategy helps against which fault)
//! ```
//!
//! * [`plan`]: what the configuration says of a service
//! * [`scene`]: what a coordinator sees at a moment
//! * [`attempt`]: the record of one attempt, from the fault to what was learned
//! * [`order`]: what a coordinator wants done
//! * [`strategy`]: what each strategy needs, does and takes back, and by what its success is seen
//! * [`brakes`]: what forbids an attempt
//! * [`history`]: the attempts that the brakes still count
//! * [`coordinator`]: picks what is done about a fault, and judges what came of it
//! * [`Word`]: what a person can say of an attempt
//! * [`learned`]: what was learned: which strategy helps, and what passes by itself
//!
//! A strategy is chosen by what earlier attempts came to, as Azure's Narya does it (Levy et al., OSDI 2020); an attempt counts as a success only
//! when the service was seen well again, and only when it would not have been well by itself.

pub mod attempt;
pub mod brakes;
pub mod coordinator;
pub mod history;
pub mod learned;
pub mod order;
pub mod plan;
pub mod scene;
pub mod strategy;
mod word;

pub use attempt::{Attempt, Outcome, Phase};
pub use coordinator::{Coordinator, World};
pub use order::{Notice, Order, Role};
pub use plan::{Limits, Plan, StrategyKind, StrategyPlan};
pub use scene::{BackendScene, Measure, Scene, Trouble};
pub use word::Word;
