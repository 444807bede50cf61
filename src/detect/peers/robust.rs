//! Location and spread that a few outliers don't move: the median, and the median absolute deviation.

/// What the median absolute deviation of a normal distribution is to be multiplied by to get its standard deviation.
const NORMAL: f64 = 1.4826;

/// One number of each of the backends that others are compared with.
#[derive(Debug, Default)]
pub(super) struct Population {
    sorted: Vec<f64>,
    /// Room for the distances from the median, kept so that it need not be allocated each time.
    distances: Vec<f64>,
    /// The standard deviation, estimated by the median absolute deviation.
    pub(super) deviation: f64,
}

impl Population {
    /// Takes these numbers in the place of those before.
    pub(super) fn set(&mut self, numbers: impl Iterator<Item = f64>) {
        self.sorted.clear();
        self.sorted.extend(numbers);
        self.sorted.sort_unstable_by(f64::total_cmp);
        let median = self.median().unwrap_or_default();
        self.distances.clear();
        self.distances.extend(self.sorted.iter().map(|number| (number - median).abs()));
        let middle = self.distances.len().saturating_sub(1) / 2;
        self.deviation = match self.distances.is_empty() {
            true => 0.0,
            false => *self.distances.select_nth_unstable_by(middle, f64::total_cmp).1 * NORMAL,
        };
    }

    /// The median, and of an even number of them the lower middle: of two backends the better one. `None` = there are no numbers.
    pub(super) fn median(&self) -> Option<f64> {
        self.sorted.get(self.sorted.len().checked_sub(1)? / 2).copied()
    }

    /// The median of the others than this one of them, or of all if it is none of them: the two in the middle, which are the same where there is
    /// one in the middle. `None` = there are no others.
    pub(super) fn medians_without(&self, own: Option<f64>) -> Option<(f64, f64)> {
        let others = self.sorted.len().checked_sub(1 + usize::from(own.is_some()))?;
        let place = own.map_or(usize::MAX, |own| self.sorted.partition_point(|number| *number < own));
        let of = |middle: usize| self.sorted.get(middle + usize::from(place <= middle)).copied();
        Some((of(others / 2)?, of(others.div_ceil(2))?))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.sorted.len()
    }
}

/// A mean that can be had without one of its members.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    /// One more.
    pub(super) fn add(&mut self, number: Option<f64>) {
        if let Some(number) = number {
            self.sum += number;
            self.count += 1.0;
        }
    }

    /// The mean of the others than this one; 0 = there are none.
    pub(super) fn without(&self, own: Option<f64>) -> f64 {
        let count = self.count - f64::from(u8::from(own.is_some()));
        if count > 0.0 { ((self.sum - own.unwrap_or_default()) / count).max(0.0) } else { 0.0 }
    }
}
