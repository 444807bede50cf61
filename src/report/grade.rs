//! How a day fared against the target.

use crate::sla::Tally;
use crate::sla::budget::allowance;

/// A day that lost more than so many times what the target allows for a day is a bad one: it alone takes a third of the budget of 30 days.
pub const FAR: f64 = 10.0;

/// How a day fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    /// By itself it met the target, by time and by requests.
    Met,
    /// It lost more than the target allows for a day.
    Missed,
    /// It lost more than [`FAR`] times of what the target allows for a day.
    Bad,
    /// It was maintenance throughout, as far as is known.
    Planned,
    /// Nothing is known of it.
    Unknown,
}

impl Grade {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Met, Self::Missed, Self::Bad, Self::Planned, Self::Unknown];

    /// The grade of a day that held this.
    pub fn of(tally: &Tally, target: f64) -> Self {
        let lost = [tally.by_time(), tally.by_requests()].into_iter().flatten().map(|share| (share, 1.0 - share));
        let worst = lost.reduce(|one, other| if one.1 >= other.1 { one } else { other });
        match worst {
            Some((share, _)) if share >= target => Self::Met,
            // both are rounded as the allowance is: what is exactly ten times of it is not more
            Some((share, _)) if allowance(share) <= tenfold(allowance(target)) => Self::Missed,
            Some(_) => Self::Bad,
            None if tally.planned > 0 => Self::Planned,
            None => Self::Unknown,
        }
    }

    /// The name in the API, and of the style on the page.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::Bad => "bad",
            Self::Planned => "planned",
            Self::Unknown => "unknown",
        }
    }

    /// What it means, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Met => "target met",
            Self::Missed => "below target",
            Self::Bad => "lost over 10 times what the target allows",
            Self::Planned => "planned maintenance",
            Self::Unknown => "not known",
        }
    }
}

/// [`FAR`] times as much, rounded to as many places as an allowance.
fn tenfold(allowance: f64) -> f64 {
    (FAR * allowance * 1e12).round() / 1e12
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_times_what_is_allowed_exactly_is_not_more_than_that() {
        for (target, up, down) in [(0.999, 99, 1), (0.995, 95, 5), (0.99, 90, 10), (0.9995, 995, 5)] {
            assert_eq!(Grade::of(&Tally { up, down, ..Tally::default() }, target), Grade::Missed, "{target}");
            let more = Tally { up: up * 1000 - 1, down: down * 1000 + 1, ..Tally::default() };
            assert_eq!(Grade::of(&more, target), Grade::Bad, "{target}");
        }
    }

    #[test]
    fn a_day_is_graded_by_the_worse_of_its_measures() {
        let of = |up, down, good, failed| Grade::of(&Tally { up, down, good, failed, ..Tally::default() }, 0.99);
        assert_eq!(of(100, 0, 0, 0), Grade::Met);
        assert_eq!(of(99, 1, 99, 1), Grade::Met, "what the target allows");
        assert_eq!(of(98, 2, 100, 0), Grade::Missed);
        assert_eq!(of(100, 0, 98, 2), Grade::Missed);
        assert_eq!(of(100, 0, 89, 11), Grade::Bad);
        assert_eq!(of(0, 100, 0, 0), Grade::Bad);
    }

    #[test]
    fn a_day_that_nobody_counted_is_planned_or_unknown_and_never_met() {
        assert_eq!(Grade::of(&Tally { planned: 1, unknown: 5, ..Tally::default() }, 0.99), Grade::Planned);
        assert_eq!(Grade::of(&Tally { unknown: 5, ..Tally::default() }, 0.99), Grade::Unknown);
        assert_eq!(Grade::of(&Tally::default(), 0.99), Grade::Unknown);
    }
}
