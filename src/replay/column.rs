//! The columns of recorded samples: what each is called, and what it may hold.

/// A column with numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    /// Attempts that ended.
    Requests,
    /// Those of them that failed.
    Failures,
    /// Failures by kind: the port refused the connection.
    Refused,
    /// There was no answer in time.
    TimedOut,
    /// The address can't be reached.
    Unreachable,
    /// The connection ended before the answer.
    Reset,
    /// What came breaks the protocol.
    Broken,
    /// The status of the answer counts as a failure.
    Status5xx,
    /// Percentiles of how long the answers took, in milliseconds.
    P50,
    /// See [`P50`](Self::P50).
    P95,
    /// See [`P50`](Self::P50).
    P99,
    /// Exchanges in flight.
    InFlight,
    /// How long the oldest attempt that waits for an answer has waited, in milliseconds.
    Oldest,
    /// Share of the processors in use.
    Cpu,
    /// Share of the memory in use.
    Memory,
    /// Whether it was ejected.
    Ejected,
    /// Whether it could get work: it was not down, drained, disabled or of weight 0.
    TakesPart,
    /// Whether an operator had drained or disabled it, or given it the weight 0.
    Withdrawn,
    /// Attempts that were begun.
    Begun,
    /// Attempts that wait for the head of their answer.
    Waiting,
    /// Checks that ended.
    Checks,
    /// Those of them that failed.
    FailedChecks,
    /// How long the last check took, in milliseconds.
    Check,
    /// How long ago its last heartbeat came, in milliseconds.
    Heartbeat,
    /// The mean of the logarithms (base 2) of the microseconds that answers took.
    LogMean,
    /// The standard deviation of the same.
    LogDeviation,
    /// The only number of a row.
    Value,
}

/// What the numbers of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Count,
    Milliseconds,
    Share,
    Flag,
    Any,
}

impl Column {
    /// All of them, in the order in which they are written.
    pub const ALL: [Self; 27] = [
        Self::Requests,
        Self::Failures,
        Self::Refused,
        Self::TimedOut,
        Self::Unreachable,
        Self::Reset,
        Self::Broken,
        Self::Status5xx,
        Self::P50,
        Self::P95,
        Self::P99,
        Self::InFlight,
        Self::Oldest,
        Self::Cpu,
        Self::Memory,
        Self::Ejected,
        Self::TakesPart,
        Self::Withdrawn,
        Self::Begun,
        Self::Waiting,
        Self::Checks,
        Self::FailedChecks,
        Self::Check,
        Self::Heartbeat,
        Self::LogMean,
        Self::LogDeviation,
        Self::Value,
    ];

    /// Its name in the header.
    pub fn name(self) -> &'static str {
        self.described().0
    }

    /// The column of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name() == name)
    }

    fn described(self) -> (&'static str, Unit) {
        match self {
            Self::Requests => ("requests", Unit::Count),
            Self::Failures => ("failures", Unit::Count),
            Self::Refused => ("refused", Unit::Count),
            Self::TimedOut => ("timed_out", Unit::Count),
            Self::Unreachable => ("unreachable", Unit::Count),
            Self::Reset => ("reset", Unit::Count),
            Self::Broken => ("broken", Unit::Count),
            Self::Status5xx => ("status_5xx", Unit::Count),
            Self::P50 => ("p50_ms", Unit::Milliseconds),
            Self::P95 => ("p95_ms", Unit::Milliseconds),
            Self::P99 => ("p99_ms", Unit::Milliseconds),
            Self::InFlight => ("in_flight", Unit::Count),
            Self::Oldest => ("oldest_ms", Unit::Milliseconds),
            Self::Cpu => ("cpu", Unit::Share),
            Self::Memory => ("memory", Unit::Share),
            Self::Ejected => ("ejected", Unit::Flag),
            Self::TakesPart => ("takes_part", Unit::Flag),
            Self::Withdrawn => ("withdrawn", Unit::Flag),
            Self::Begun => ("begun", Unit::Count),
            Self::Waiting => ("waiting", Unit::Count),
            Self::Checks => ("checks", Unit::Count),
            Self::FailedChecks => ("failed_checks", Unit::Count),
            Self::Check => ("check_ms", Unit::Milliseconds),
            Self::Heartbeat => ("heartbeat_ms", Unit::Milliseconds),
            Self::LogMean => ("log_mean", Unit::Any),
            Self::LogDeviation => ("log_sd", Unit::Any),
            Self::Value => ("value", Unit::Any),
        }
    }

    /// The number that a text of this column stands for; `None` = it says that there is none.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn read(self, text: &str) -> Result<Option<f64>, String> {
        let text = text.trim();
        let none = ["", "null", "none", "nan", "na", "n/a", "-"];
        if none.iter().any(|none| text.eq_ignore_ascii_case(none)) {
            return Ok(None);
        }
        match text.parse::<f64>() {
            Ok(number) => self.accept(number).map(Some),
            Err(_) if text.eq_ignore_ascii_case("true") => self.accept(1.0).map(Some),
            Err(_) if text.eq_ignore_ascii_case("false") => self.accept(0.0).map(Some),
            Err(_) => Err(format!("`{}` is {text:?}, which is no number", self.name())),
        }
    }

    /// A number that this column may hold.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn accept(self, number: f64) -> Result<f64, String> {
        let (name, unit) = self.described();
        let (least, most, wanted) = match unit {
            // what an f64 counts exactly
            Unit::Count => (0.0, 9e15, "a count is not below 0"),
            // a century
            Unit::Milliseconds => (0.0, 3.2e12, "a time in milliseconds is not below 0"),
            Unit::Share => (0.0, 10.0, "a share is 1 when all of it is in use: write 0.85 for 85 %"),
            Unit::Flag => (0.0, 1.0, "it is 0 or 1"),
            Unit::Any => (f64::MIN, f64::MAX, "it has to be a number"),
        };
        if !(least..=most).contains(&number) {
            return Err(format!("`{name}` is {number}: {wanted}"));
        }
        Ok(if unit == Unit::Count { number.round() } else { number })
    }

    /// Writes a number as it stands in a file: no more places than anybody needs.
    pub fn write(self, number: f64) -> String {
        let places = match self.described().1 {
            Unit::Count | Unit::Flag => 0,
            Unit::Milliseconds | Unit::Share => 3,
            Unit::Any => 4,
        };
        let text = format!("{number:.places$}");
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_column() {
        assert!(Column::ALL.iter().all(|column| Column::named(column.name()) == Some(*column)));
        assert!(Column::ALL.iter().enumerate().all(|(at, column)| *column as usize == at), "they index figures");
    }

    #[test]
    fn numbers_are_read_as_others_write_them() {
        for (text, number) in
            [("12", Some(12.0)), (" 12.0 ", Some(12.0)), ("1e3", Some(1000.0)), ("", None), ("NaN", None)]
        {
            assert_eq!(Column::Requests.read(text), Ok(number), "{text}");
        }
        assert_eq!(Column::Ejected.read("true"), Ok(Some(1.0)));
        for (column, text) in [
            (Column::Requests, "-1"),
            (Column::Requests, "many"),
            (Column::Requests, "inf"),
            (Column::P50, "-0.5"),
            (Column::Cpu, "85"),
            (Column::Ejected, "2"),
        ] {
            let why = column.read(text).unwrap_err();
            assert!(why.starts_with(&format!("`{}` is ", column.name())), "{why}");
        }
    }

    #[test]
    fn numbers_are_written_short() {
        assert_eq!(Column::Requests.write(12.0), "12");
        assert_eq!(Column::P50.write(5.25), "5.25");
        assert_eq!(Column::P50.write(100.0), "100");
        assert_eq!(Column::Cpu.write(0.123_456), "0.123");
        assert_eq!(Column::Cpu.write(0.0), "0");
    }
}
