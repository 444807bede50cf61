//! What backends report of their load in the fields of answers (ORCA), which is for us and not for clients.

use http::header::{HeaderMap, HeaderName};

use crate::clock::Moment;
use crate::endpoint::Endpoint;
use crate::endpoint::load::Report;
use crate::load::{BadReport, orca};

/// The fields that a backend reports its load in: as text, and in binary form.
const REPORT: HeaderName = HeaderName::from_static(orca::FIELD);
const REPORT_BIN: HeaderName = HeaderName::from_static(orca::FIELD_BIN);

/// Reads a load report in one of its forms.
type Read = fn(&[u8], &[Box<str>]) -> Result<Report, BadReport>;

/// Whether this is a field that a backend reports its load in.
pub fn is_in(name: &HeaderName) -> bool {
    name.as_str().starts_with(orca::FIELD)
}

/// Takes the report of a backend out of an answer's fields, or its trailers. What it says is noted where the service (which is called so) believes its
/// backends; `believed` is `None` where it does not, else the named metrics that count.
pub fn take(headers: &mut HeaderMap, (endpoint, service, believed): (&Endpoint, &str, Option<&[Box<str>]>)) {
    // a look at the names costs less than look-ups by hash, and nearly no answer has any of these
    if !headers.keys().any(is_in) {
        return;
    }
    for (field, read) in [(&REPORT, orca::read as Read), (&REPORT_BIN, orca::read_bin)] {
        let Some(value) = headers.remove(field) else { continue };
        match read(value.as_bytes(), believed.unwrap_or_default()) {
            Ok(report) if believed.is_some() => {
                endpoint.live.load.report(report, endpoint.live.in_flight(), Moment::now());
            }
            Ok(_) => {}
            Err(refused) => {
                let backend = &endpoint.id;
                tracing::debug!(%service, %backend, %refused, "a load report was refused");
            }
        }
    }
}
