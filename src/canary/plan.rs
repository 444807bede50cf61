//! The plan by which requests move to a new version.

use std::time::Duration;

/// A share is given in so many parts of all requests: hundredths of a percent.
pub const WHOLE: u32 = 10_000;

/// How requests move to a canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The shares that it gets one after the other, each larger than the one before, in parts of [`WHOLE`]; not empty.
    pub steps: Box<[u32]>,
    /// How long each of them is kept at least.
    pub every: Duration,
    /// It is sent back when it fails more often than the other version does.
    pub stops_on_errors: bool,
    /// It is sent back when it is slower.
    pub stops_on_latency: bool,
    /// Requests that it has had in a step before the next one, unless there are none at all.
    pub min_requests: u64,
}

impl Plan {
    /// The share in this step; of one that there is not, of the last.
    pub fn share(&self, step: usize) -> u32 {
        self.steps.get(step).or(self.steps.last()).copied().unwrap_or_default()
    }

    /// The last of its steps.
    pub fn last(&self) -> usize {
        self.steps.len().saturating_sub(1)
    }

    /// What sets it apart from other plans, in a form that lasts: `1,5,25,50,100%/600000/errors,latency/100`.
    pub fn text(&self) -> String {
        let steps: Vec<String> = self.steps.iter().map(|share| percent(*share)).collect();
        let on = [(self.stops_on_errors, "errors"), (self.stops_on_latency, "latency")];
        let on: Vec<&str> = on.into_iter().filter(|(stops, _)| *stops).map(|(_, on)| on).collect();
        format!("{}%/{}/{}/{}", steps.join(","), self.every.as_millis(), on.join(","), self.min_requests)
    }
}

/// A share in percent, without a sign: `1`, `0.5`, `12.25`.
pub fn percent(share: u32) -> String {
    let text = format!("{}.{:02}", share / 100, share % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_told_in_percent() {
        assert_eq!([0, 50, 100, 1_225, 2_500, 10_000].map(percent), ["0", "0.5", "1", "12.25", "25", "100"]);
    }

    #[test]
    fn a_plan_that_differs_in_anything_has_another_text() {
        let plan = Plan {
            steps: [100, 10_000].into(),
            every: Duration::from_secs(600),
            stops_on_errors: true,
            stops_on_latency: true,
            min_requests: 100,
        };
        assert_eq!(plan.text(), "1,100%/600000/errors,latency/100");
        assert_ne!(plan.text(), Plan { stops_on_latency: false, ..plan.clone() }.text());
        assert_eq!([0, 1, 7].map(|step| plan.share(step)), [100, 10_000, 10_000]);
    }
}
