//! What backends report about their load, in the three forms in which it comes: the field `endpoint-load-metrics` of their
//! answers ([`orca`]), the line that an agent beside them answers with ([`agent`]), and heartbeats that they post to the admin
//! address ([`heartbeat`]).
//!
//! Here texts become checked values and nothing else happens: the callers decide who is asked, when a report expires,
//! and what it changes. Backends are not trusted with it: a number that makes no sense (NaN, infinite, negative), one
//! that is there twice and a text that is too long are refused as a whole, with a reason.

pub mod agent;
pub mod heartbeat;
pub mod orca;

use std::fmt;

/// Why a report was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadReport {
    /// Longer than any report needs to be.
    TooLong,
    /// It does not have the form of a report.
    Form,
    /// It is not valid JSON, or not of the right shape: what is wrong, and where.
    Json(String),
    /// This number is there twice.
    Twice(&'static str),
    /// The number of this is NaN, infinite, negative, or so large that it can't be meant.
    Number(&'static str),
    /// A name that has no meaning here.
    Unknown,
    /// This is missing.
    Missing(&'static str),
}

impl fmt::Display for BadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("it is too long"),
            Self::Form => f.write_str("it does not have the form of a report"),
            Self::Json(why) => f.write_str(why),
            Self::Twice(name) => write!(f, "`{name}` is there twice"),
            Self::Number(name) => write!(f, "`{name}` is no number that makes sense"),
            Self::Unknown => f.write_str("it says something that is not known"),
            Self::Missing(name) => write!(f, "`{name}` is missing"),
        }
    }
}

impl std::error::Error for BadReport {}

/// Shares above this are refused: a machine that is a thousand times overcommitted does not report.
const MOST: f64 = 1000.0;

/// A share of the processors or of all that a backend can do: from 0 upwards, and possibly above 1.
fn share(value: f64, name: &'static str) -> Result<f32, BadReport> {
    // also false for NaN
    if !(0.0..=MOST).contains(&value) {
        return Err(BadReport::Number(name));
    }
    #[expect(clippy::cast_possible_truncation, reason = "in range; precision beyond f32 is of no use here")]
    Ok(value as f32 + 0.0) // -0 becomes 0
}

/// A share of the memory: 0 to 1.
fn part(value: f64, name: &'static str) -> Result<f32, BadReport> {
    if value > 1.0 { Err(BadReport::Number(name)) } else { share(value, name) }
}

/// Stores a value, which must not be there already.
fn once<T>(slot: &mut Option<T>, value: T, name: &'static str) -> Result<(), BadReport> {
    if slot.is_some() {
        return Err(BadReport::Twice(name));
    }
    *slot = Some(value);
    Ok(())
}
