//! What the query of a question asks for.

use std::time::{Duration, SystemTime};

use crate::admin::query::parameters;
use crate::clock::parse_rfc3339;

/// A question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WhyQuery {
    /// About this service,
    pub(super) service: String,
    /// or about this backend of it,
    pub(super) backend: Option<String>,
    /// at this time; `None` = now.
    pub(super) at: Option<SystemTime>,
}

impl WhyQuery {
    /// Reads the query of a request; an error says what is wrong with it.
    pub(super) fn parse(query: &str, now: SystemTime) -> Result<Self, String> {
        let (mut service, mut backend, mut at) = (None, None, None);
        for (name, value) in parameters(query, &[])? {
            match &*name {
                "service" => service = Some(value.into_owned()),
                "backend" => backend = Some(value.into_owned()),
                "at" => at = Some(time(&value, now)?),
                other => return Err(format!("unknown parameter {other:?}: there are service, backend and at")),
            }
        }
        let service = service.ok_or("which service? ask with ?service=NAME, or ?service=NAME&backend=ID")?;
        Ok(Self { service, backend, at })
    }
}

/// A time of the past, as RFC 3339 has it or in seconds since 1970.
fn time(text: &str, now: SystemTime) -> Result<SystemTime, String> {
    let seconds = || text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let since_1970 = || SystemTime::UNIX_EPOCH.checked_add(seconds()?);
    let time = parse_rfc3339(text).or_else(since_1970);
    let time = time.ok_or_else(|| {
        format!("at={text}: a time as RFC 3339 has it, such as 2026-11-27T14:02:00Z, or seconds since 1970")
    })?;
    if time > now { Err(format!("at={text}: that time is not over yet")) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_time_is_rfc_3339_or_seconds_since_1970_and_over() {
        let asked =
            |text: &str| WhyQuery::parse(&format!("service=api&at={text}"), at(1_000_000)).map(|query| query.at);
        assert_eq!(asked("1970-01-01T00:01:00Z"), Ok(Some(at(60))));
        assert_eq!(asked("1970-01-01T01:01:00%2B01:00"), Ok(Some(at(60))));
        assert_eq!(asked("60"), Ok(Some(at(60))));
        assert_eq!(asked("60.5"), Ok(Some(at(60) + Duration::from_millis(500))));
        for wrong in ["", "14:02", "-10m", "-1", "1e300", "nan", "1000001"] {
            assert!(asked(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_service_has_to_be_named_and_nothing_unknown() {
        assert!(WhyQuery::parse("", at(0)).unwrap_err().contains("which service"));
        assert!(WhyQuery::parse("service=a&when=3", at(0)).unwrap_err().contains("when"));
        let query = WhyQuery::parse("service=a&backend=10.0.0.1:80", at(0)).unwrap();
        assert_eq!((&*query.service, query.backend.as_deref(), query.at), ("a", Some("10.0.0.1:80"), None));
    }
}
