//! The heartbeat that a backend posts to the admin address: a sign of life, with its load if it likes.
//!
//! ```json
//! { "service": "api", "backend": "a", "cpu": 0.4, "memory": 0.7, "utilization": 0.5 }
//! ```

use serde::Deserialize;

use super::{BadReport, part, share};
use crate::endpoint::load::Report;

/// The longest body that is read.
pub const LONGEST: usize = 4096;

/// A heartbeat.
#[derive(Debug, Clone, PartialEq)]
pub struct Heartbeat {
    /// The service's name.
    pub service: String,
    /// The backend's id.
    pub backend: String,
    /// Its load; all `None` when it is only a sign of life.
    pub report: Report,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    service: String,
    backend: String,
    cpu: Option<f64>,
    memory: Option<f64>,
    utilization: Option<f64>,
}

impl Heartbeat {
    /// Reads a body. serde refuses keys that are unknown or there twice; JSON has no NaN and no infinity.
    ///
    /// # Errors
    ///
    /// Why it was refused.
    pub fn read(body: &[u8]) -> Result<Self, BadReport> {
        if body.len() > LONGEST {
            return Err(BadReport::TooLong);
        }
        let body: Body = serde_json::from_slice(body).map_err(|error| BadReport::Json(error.to_string()))?;
        for (name, value) in [("service", &body.service), ("backend", &body.backend)] {
            if value.is_empty() {
                return Err(BadReport::Missing(name));
            }
        }
        let report = Report {
            cpu: body.cpu.map(|value| share(value, "cpu")).transpose()?,
            memory: body.memory.map(|value| part(value, "memory")).transpose()?,
            utilization: body.utilization.map(|value| share(value, "utilization")).transpose()?,
        };
        Ok(Self { service: body.service, backend: body.backend, report })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(more: &str) -> Result<Report, BadReport> {
        Heartbeat::read(format!(r#"{{"service": "s", "backend": "b"{more}}}"#).as_bytes()).map(|beat| beat.report)
    }

    fn json(body: &str) -> String {
        match Heartbeat::read(body.as_bytes()) {
            Err(BadReport::Json(why)) => why,
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn it_names_a_backend_and_tells_what_it_likes() {
        let beat = Heartbeat::read(br#"{ "service": "api", "backend": "a" }"#).unwrap();
        assert_eq!((&*beat.service, &*beat.backend, beat.report), ("api", "a", Report::default()));
        let want = Report { cpu: Some(1.5), memory: Some(0.7), utilization: Some(0.0) };
        assert_eq!(with(r#", "cpu": 1.5, "memory": 0.7, "utilization": 0"#), Ok(want));
        assert_eq!(with(r#", "cpu": null"#), Ok(Report::default()));
    }

    #[test]
    fn unknown_and_second_keys_are_refused_by_name() {
        assert!(json(r#"{"service": "s", "backend": "b", "cpuu": 1}"#).contains("`cpuu`"));
        assert!(json(r#"{"service": "s", "backend": "b", "cpu": 1, "cpu": 1}"#).contains("duplicate field `cpu`"));
        assert!(json(r#"{"service": "s"}"#).contains("missing field `backend`"));
        assert_eq!(Heartbeat::read(br#"{"service": "", "backend": "b"}"#), Err(BadReport::Missing("service")));
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        assert_eq!(with(r#", "cpu": -0.1"#), Err(BadReport::Number("cpu")));
        assert_eq!(with(r#", "memory": 1.1"#), Err(BadReport::Number("memory")));
        assert_eq!(with(r#", "utilization": 1e6"#), Err(BadReport::Number("utilization")));
        for not_json in ["NaN", "Infinity", "1e999", "\"0.5\"", "[]"] {
            assert!(matches!(with(&format!(r#", "cpu": {not_json}"#)), Err(BadReport::Json(_))), "{not_json}");
        }
    }

    #[test]
    fn garbage_and_long_bodies_are_refused() {
        for body in ["", "[]", "{", "null", "{}x"] {
            json(body);
        }
        assert_eq!(Heartbeat::read(&[b' '; LONGEST + 1]), Err(BadReport::TooLong));
    }
}
