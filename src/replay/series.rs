//! A single series of values: the detector of anomalies alone looks at it.

use std::sync::Arc;
use std::time::Duration;

use super::event::{Event, What, Whom};
use super::reader::Row;
use crate::detect::anomaly::series::Series;
use crate::detect::settings::Anomaly;

/// A score above this is told of: the detector calls it very anomalous.
const UNUSUAL: f64 = 0.5;

/// The values of one series.
pub(super) struct SeriesPlayer {
    service: Arc<str>,
    name: Arc<str>,
    series: Series,
    latest: Duration,
}

impl SeriesPlayer {
    pub fn new(service: Arc<str>, name: &str, settings: Anomaly) -> Self {
        Self { service, name: name.into(), series: Series::new(settings), latest: Duration::ZERO }
    }

    /// Takes in a value; the error is what is wrong with its row. A time that comes twice is taken as it is, because some have an hour
    /// twice a year.
    pub fn row(&mut self, row: &Row, value: f64, tell: &mut dyn FnMut(Event)) -> Result<(), String> {
        if row.time < self.latest {
            return Err("the time goes back: the rows have to be in the order of their times".to_owned());
        }
        self.latest = row.time;
        let score = self.series.observe(row.time, value);
        if score > UNUSUAL {
            let (service, whom) = (Arc::clone(&self.service), Whom::Series(Arc::clone(&self.name)));
            tell(Event { time: row.time, service, whom, what: What::Unusual { value, score } });
        }
        Ok(())
    }
}
