//! `[service.NAME.sla]`: what is promised of a service.

use super::{section, words};
use crate::config::units::TimeSpan;

words! {
    /// A promise of availability, by name.
    Tier {
        Basic = "basic",
        Standard = "standard",
        Enhanced = "enhanced",
        Premium = "premium",
        Mission = "mission",
    }
}

words! {
    /// A unit of the calendar, in UTC.
    CalendarUnit {
        Day = "day",
        Week = "week",
        Month = "month",
        Quarter = "quarter",
        Year = "year",
    }
}

section! {
    /// Accounting of availability.
    Sla {
        /// The target by name: basic 99 %, standard 99.9 %, enhanced 99.99 %, premium 99.999 %, mission 99.9999 %. Missing, and no
        /// target = standard.
        tier: Option<Tier> = None,
        /// The share of the time, and of the requests, that is to be good; in place of a tier.
        #[schemars(range(min = 0.0, max = 1.0))]
        target: Option<f64> = None,
        /// Within what time service is to be back.
        #[schemars(extend("x-positive" = true))]
        rto: TimeSpan = TimeSpan::secs(60),
        /// How much of the history may be lost in a crash; at least 100ms.
        rpo: TimeSpan = TimeSpan::secs(1),
        /// The mean time to repair that is aimed at.
        #[schemars(extend("x-positive" = true))]
        mttr: TimeSpan = TimeSpan::secs(300),
        /// The mean time between failures that is aimed at.
        #[schemars(extend("x-positive" = true))]
        mtbf: TimeSpan = TimeSpan::secs(720 * 3600),
        /// Over what time, up to now; at least 1h, at most 1825d.
        window: TimeSpan = TimeSpan::secs(30 * 86_400),
        /// Over what unit of the calendar, in place of a window.
        calendar: Option<CalendarUnit> = None,
        /// An answer that takes longer is not good. Missing = however long it takes.
        #[schemars(extend("x-positive" = true))]
        latency: Option<TimeSpan> = None,
        /// The service counts as down while fewer of its requests succeed.
        #[schemars(range(min = 0.0, max = 1.0))]
        floor: f64 = 0.95,
        /// Planned times that do not count.
        maintenance: Vec<Maintenance> = Vec::new(),
        /// Whether other services give way while the error budget burns too fast.
        protect: bool = false,
    }
}

section! {
    /// A planned time: from and to, or every.
    Maintenance {
        /// When it begins, as RFC 3339 writes times.
        #[schemars(extend("x-syntax" = "time"))]
        from: Option<String> = None,
        /// When it ends, as RFC 3339 writes times.
        #[schemars(extend("x-syntax" = "time"))]
        to: Option<String> = None,
        /// Again and again: days, a time of day, and a time zone, such as "Sun 02:00-04:00 Europe/Berlin".
        #[schemars(extend("x-syntax" = "recurring"))]
        every: Option<String> = None,
    }
}
