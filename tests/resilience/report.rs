//! What a situation found: what was required, what was measured, and whether it will do.

use std::fmt::Display;
use std::time::Duration;

use crate::tally::Tally;

/// What a situation found.
#[derive(Debug, Default)]
pub struct Report {
    pub figures: Vec<Figure>,
}

/// One requirement.
#[derive(Debug)]
pub struct Figure {
    pub required: String,
    pub measured: String,
    pub met: bool,
    /// Whether it depends on the machine's speed. Then a test does not assert it.
    pub timing: bool,
}

impl Report {
    /// A requirement that holds on any machine.
    pub fn must(&mut self, required: &str, met: bool, measured: impl Display) {
        self.add(required, met, &measured, false);
    }

    /// A requirement on the time that something takes, or on what depends on it.
    pub fn timing(&mut self, required: &str, met: bool, measured: impl Display) {
        self.add(required, met, &measured, true);
    }

    fn add(&mut self, required: &str, met: bool, measured: &dyn Display, timing: bool) {
        self.figures.push(Figure { required: required.to_owned(), measured: measured.to_string(), met, timing });
    }

    /// The requirement that most situations have.
    pub fn nothing_lost(&mut self, tally: &Tally) {
        let lost = tally.lost();
        self.must("0 lost", lost.is_empty() && !tally.is_empty(), lost.of(tally));
    }
}

/// Milliseconds for a reader.
pub fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

/// Milliseconds, or that it never happened.
pub fn ms_or_never(time: Option<Duration>) -> String {
    time.map_or_else(|| "never".to_owned(), ms)
}
