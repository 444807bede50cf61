//! The tables, as they stand in `docs/detection.md`.

use std::fmt::Write as _;

use evenkeel::detect::fault::Fault;

use crate::score::{Found, Score};

/// Sums over traces.
#[derive(Debug, Default)]
pub struct Sum {
    pub traces: usize,
    pub found: Vec<Weighed>,
    pub backend_hours: f64,
    pub mistakes: usize,
    pub wrong_ejections: usize,
    pub lowest: f64,
    pub left_out: usize,
}

/// One who is at fault, with the rate of its trace. Those of one trace count as much together as one alone does in another.
#[derive(Debug)]
pub struct Weighed {
    pub weight: f64,
    pub rate: f64,
    pub found: Found,
}

/// Adds up those of one kind, or all (an empty name).
pub fn sum(scores: &[Score], name: &str) -> Sum {
    let mut sum = Sum { lowest: 1.0, ..Sum::default() };
    for score in scores.iter().filter(|score| name.is_empty() || score.name == name) {
        sum.traces += 1;
        let weight = 1.0 / score.found.len().max(1) as f64;
        let weigh = |found: &Found| Weighed { weight, rate: score.rate, found: found.clone() };
        sum.found.extend(score.found.iter().map(weigh));
        sum.backend_hours += score.backend_hours;
        sum.mistakes += score.mistakes.len();
        sum.wrong_ejections += score.wrong_ejections.len();
        sum.lowest = sum.lowest.min(score.lowest);
        sum.left_out += score.left_out;
    }
    sum
}

impl Sum {
    /// The share of those at fault that were accused or in a verdict.
    pub fn recall(&self) -> f64 {
        self.weight(|found| found.delay.is_some()) / self.weight(|_| true).max(f64::MIN_POSITIVE)
    }

    /// The share of those that were found whose verdict had the right name.
    pub fn named_right(&self) -> f64 {
        let right = self.weight(|found| found.delay.is_some() && found.is_right);
        right / self.weight(|found| found.delay.is_some()).max(f64::MIN_POSITIVE)
    }

    fn weight(&self, is_so: impl Fn(&Found) -> bool) -> f64 {
        self.found.iter().filter(|one| is_so(&one.found)).fold(0.0, |sum, one| sum + one.weight)
    }

    /// The delay within which this share of the faults at this rate and above was found; one that was not found has an endless delay.
    pub fn delay(&self, share: f64, from_rate: f64) -> Option<f64> {
        let faults = self.found.iter().filter(|one| one.rate >= from_rate);
        let mut delays: Vec<(f64, f64)> =
            faults.map(|one| (one.found.delay.unwrap_or(f64::INFINITY), one.weight)).collect();
        delays.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut left = share * delays.iter().map(|(_, weight)| weight).sum::<f64>();
        let reached = delays.iter().find(|(_, weight)| {
            left -= weight;
            left <= 1e-9
        });
        reached.map(|(delay, _)| *delay)
    }

    /// False accusations for 1,000 backend-hours.
    pub fn per_thousand(&self, count: usize) -> f64 {
        count as f64 * 1_000.0 / self.backend_hours.max(f64::MIN_POSITIVE)
    }
}

/// The kinds of traces, in their order.
fn names(scores: &[Score]) -> Vec<&'static str> {
    let mut names: Vec<&str> = scores.iter().map(|score| score.name).collect();
    names.dedup();
    names
}

fn seconds(delay: Option<f64>) -> String {
    match delay {
        Some(delay) if delay.is_finite() => format!("{delay:.1} s"),
        Some(_) => "never".to_owned(),
        None => "".to_owned(),
    }
}

/// What was found of each kind of fault.
pub fn faults(scores: &[Score]) -> String {
    let mut out = "| fault | traces | at fault | recall | named right | median delay | p95 | median at >= 50/s | healthy twins accused | ejected | lowest share of a twin |\n|---|---|---|---|---|---|---|---|---|---|---|\n".to_owned();
    for name in names(scores).into_iter().chain([""]) {
        let sum = sum(scores, name);
        let _ = writeln!(
            out,
            "| {} | {} | {} | {:.3} | {:.3} | {} | {} | {} | {} | {} | {:.2} |",
            if name.is_empty() { "all" } else { name },
            sum.traces,
            sum.found.len(),
            sum.recall(),
            sum.named_right(),
            seconds(sum.delay(0.5, 0.0)),
            seconds(sum.delay(0.95, 0.0)),
            seconds(sum.delay(0.5, 50.0)),
            sum.mistakes,
            sum.wrong_ejections,
            sum.lowest,
        );
    }
    let sum = sum(scores, "");
    let _ = writeln!(
        out,
        "\nIn {:.0} backend-hours with faults: {:.1} false accusations for 1,000 backend-hours, {:.1} false ejections.",
        sum.backend_hours,
        sum.per_thousand(sum.mistakes),
        sum.per_thousand(sum.wrong_ejections)
    );
    out
}

/// What was said where nobody was at fault.
pub fn nuisances(scores: &[Score]) -> String {
    let mut out = "| nobody is at fault | traces | backend-hours | accused | ejected | lowest share |\n|---|---|---|---|---|---|\n".to_owned();
    for name in names(scores).into_iter().chain([""]) {
        let sum = sum(scores, name);
        let name = if name.is_empty() { "all" } else { name };
        let (hours, lowest) = (sum.backend_hours, sum.lowest);
        let _ = writeln!(
            out,
            "| {name} | {} | {hours:.0} | {} | {} | {lowest:.2} |",
            sum.traces, sum.mistakes, sum.wrong_ejections
        );
    }
    let sum = sum(scores, "");
    let _ = writeln!(
        out,
        "\nFor 1,000 backend-hours: {:.2} false accusations, {:.2} false ejections.",
        sum.per_thousand(sum.mistakes),
        sum.per_thousand(sum.wrong_ejections)
    );
    out
}

/// Which name each fault was given.
pub fn confusion(scores: &[Score]) -> String {
    let all: Vec<&Found> = scores.iter().flat_map(|score| &score.found).collect();
    let mut out = "| truth | ".to_owned();
    Fault::ALL.iter().for_each(|fault| out += &format!("{} | ", fault.as_str()));
    out += "no verdict | right name, wrong subject |\n|---|";
    out += &"---|".repeat(Fault::ALL.len() + 2);
    for truth in Fault::ALL {
        let of: Vec<&&Found> = all.iter().filter(|found| right_name(found) == truth).collect();
        let _ = write!(out, "\n| {} |", truth.as_str());
        for named in Fault::ALL.map(Some).into_iter().chain([None]) {
            let _ = write!(out, " {} |", of.iter().filter(|found| found.named == named).count());
        }
        let elsewhere = of.iter().filter(|found| !found.is_right && found.named == Some(truth)).count();
        let _ = write!(out, " {elsewhere} |");
    }
    out + "\n"
}

/// Where two names are right, the one that was given counts.
fn right_name(found: &Found) -> Fault {
    found.named.filter(|_| found.is_right).unwrap_or(found.truth)
}

/// What each detector adds: the same faults without it.
pub fn ablation(whole: &[Score], without: &[(&str, Vec<Score>)]) -> String {
    let mut out = "| without | recall | named right | median delay | false accusations / 1,000 h | |\n|---|---|---|---|---|---|\n".to_owned();
    let all = sum(whole, "");
    let mut row = |name: &str, sum: &Sum, told: &str| {
        let _ = writeln!(
            out,
            "| {name} | {:.3} | {:.3} | {} | {:.1} | {told} |",
            sum.recall(),
            sum.named_right(),
            seconds(sum.delay(0.5, 0.0)),
            sum.per_thousand(sum.mistakes)
        );
    };
    row("nothing", &all, "");
    for (name, scores) in without {
        row(name, &sum(scores, ""), &told(whole, scores));
    }
    out
}

/// In words, what is lost without a detector: the kinds of faults that suffer.
fn told(whole: &[Score], without: &[Score]) -> String {
    let mut lost = Vec::new();
    for name in names(whole) {
        let (all, less) = (sum(whole, name), sum(without, name));
        let delay = |sum: &Sum| sum.delay(0.5, 0.0).unwrap_or(f64::INFINITY);
        let mut what = Vec::new();
        if all.recall() - less.recall() >= 0.02 {
            what.push(format!("recall {:.2}", less.recall()));
        }
        if all.named_right() - less.named_right() >= 0.02 {
            what.push(format!("named right {:.2}", less.named_right()));
        }
        if delay(&less) > 1.2 * delay(&all) + 0.1 {
            what.push(format!("after {}", seconds(less.delay(0.5, 0.0))));
        }
        if !what.is_empty() {
            lost.push(format!("{name}: {}", what.join(", ")));
        }
    }
    if lost.is_empty() { "it adds nothing here".to_owned() } else { lost.join("; ") }
}

/// Every miss and every mistake, to look into.
pub fn details(scores: &[Score]) -> String {
    let mut out = String::new();
    for score in scores {
        let told = |found: &&Found| found.delay.is_none() || !found.is_right;
        let bad: Vec<&Found> = score.found.iter().filter(told).collect();
        if bad.is_empty() && score.mistakes.is_empty() && score.wrong_ejections.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n{} #{}: {}", score.name, score.number, score.story);
        for found in bad {
            let _ = writeln!(out, "  MISS {:?} delay {:?} named {:?}", found.whom, found.delay, found.named);
            found.said.iter().take(4).for_each(|said| _ = writeln!(out, "    {}", said_of(said)));
        }
        score.mistakes.iter().take(4).for_each(|said| _ = writeln!(out, "  WRONG {}", said_of(said)));
        score.wrong_ejections.iter().take(4).for_each(|(at, who)| _ = writeln!(out, "  EJECTED {who} at {at:.1}"));
    }
    out
}

fn said_of(said: &crate::play::Said) -> String {
    let kind = if said.is_verdict { "verdict" } else { "accusation" };
    format!("{kind} {:?} {} {:.1}-{:.1}: {}", said.whom, said.fault.as_str(), said.from, said.to, said.reason)
}
