//! Which attempts are asked for, and how they are to be written.

use crate::admin::query::parameters;
use crate::clock::{Stamp, parse_rfc3339};
use crate::recover::Attempt;

/// Attempts in one answer, unless `limit` asks for another number; and the most that it can ask for.
const SOME: usize = 100;
const MOST: usize = 10_000;

/// How attempts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// For programs.
    Json,
    /// For people and tickets.
    Markdown,
}

/// What the query of a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RecoveryQuery {
    /// Of this service only.
    pub(super) service: Option<String>,
    /// With a number above this.
    pub(super) after: i64,
    /// That began at this time or later.
    pub(super) from: Stamp,
    /// So many, the newest.
    pub(super) limit: usize,
    /// How they are written.
    pub(super) format: Format,
}

impl RecoveryQuery {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let from = Stamp::from_millis(i64::MIN);
        let mut query = Self { service: None, after: 0, from, limit: SOME, format: Format::Json };
        for (name, value) in parameters(text, &[])? {
            match &*name {
                "service" => query.service = Some(value.into_owned()),
                "since" => match (value.parse(), parse_rfc3339(&value)) {
                    (Ok(id), _) => query.after = id,
                    (_, Some(time)) => query.from = Stamp::from(time),
                    _ => return Err(format!("since={value}: the number of an attempt, or a time as RFC 3339 has it")),
                },
                "limit" => match value.parse() {
                    Ok(limit) if (1..=MOST).contains(&limit) => query.limit = limit,
                    _ => return Err(format!("limit must be a number from 1 to {MOST}")),
                },
                "format" => query.format = named(&value)?,
                other => {
                    return Err(format!("unknown parameter {other:?}: there are service, since, limit and format"));
                }
            }
        }
        Ok(query)
    }

    /// Whether an attempt is among those that are asked for, as far as their number goes.
    pub(super) fn wants(&self, attempt: &Attempt) -> bool {
        attempt.id > self.after
            && attempt.start >= self.from.as_millis()
            && self.service.as_ref().is_none_or(|service| *service == attempt.service)
    }
}

/// How one attempt is to be written.
pub(super) fn format(text: &str) -> Result<Format, String> {
    let mut format = Format::Json;
    for (name, value) in parameters(text, &[])? {
        match &*name {
            "format" => format = named(&value)?,
            other => return Err(format!("unknown parameter {other:?}: there is format")),
        }
    }
    Ok(format)
}

fn named(name: &str) -> Result<Format, String> {
    match name {
        "json" => Ok(Format::Json),
        "markdown" => Ok(Format::Markdown),
        other => Err(format!("format={other}: there are json and markdown")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_asked_for_by_service_number_or_time() {
        let all = RecoveryQuery::parse("").unwrap();
        let attempt = |id, start| Attempt { id, start, service: "api".to_owned(), ..Attempt::default() };
        assert!(all.wants(&attempt(1, 0)) && all.limit == SOME && all.format == Format::Json);
        let some = RecoveryQuery::parse("service=api&since=7&limit=3&format=markdown").unwrap();
        assert!(some.wants(&attempt(8, 0)) && !some.wants(&attempt(7, 0)));
        assert_eq!((some.limit, some.format), (3, Format::Markdown));
        let late = RecoveryQuery::parse("since=1970-01-01T00:00:05Z").unwrap();
        assert!(late.wants(&attempt(1, 5_000)) && !late.wants(&attempt(9, 4_999)));
        assert!(!RecoveryQuery::parse("service=web").unwrap().wants(&attempt(1, 0)));
        for wrong in ["since=soon", "limit=0", "limit=10001", "format=html", "last=3"] {
            assert!(RecoveryQuery::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(format("format=markdown"), Ok(Format::Markdown));
        assert!(format("limit=3").is_err());
    }
}
