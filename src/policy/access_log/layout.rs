//! How a line of the access log is laid out.

use std::borrow::Cow;

use http::header::HeaderName;

use super::{AccessLines, Field, FieldName, Piece, Sampling, Wants};

/// How a line is laid out.
#[derive(Debug)]
pub enum Layout {
    /// One JSON object with these members.
    Json(Vec<Member>),
    /// These parts, one after the other.
    Text(Vec<Part>),
}

/// A member of a JSON object.
#[derive(Debug)]
pub struct Member {
    /// Its name as JSON has it, between the comma that ends the member before it and the colon.
    pub key: Cow<'static, str>,
    /// What it says.
    pub field: Field,
    /// It is left out where it says nothing; else it is null there.
    pub optional: bool,
}

/// A part of a line of text.
#[derive(Debug)]
pub enum Part {
    /// The same in every line.
    Text(Cow<'static, str>),
    /// What is different in each.
    Field(Field),
}

/// The members of an exchange's object where none are chosen. They stand in the order of their names. A line has some only where they apply.
const EXCHANGE: &[(&str, Field, bool)] = &[
    (",\"aborted\":", Field::Aborted, true),
    (",\"attempts\":", Field::Attempts, false),
    (",\"backend\":", Field::Backend, false),
    (",\"bytes\":", Field::Bytes, false),
    (",\"client\":", Field::Client, false),
    (",\"duration_ms\":", Field::Duration, false),
    (",\"end\":", Field::End, true),
    (",\"failure\":", Field::Failure, false),
    (",\"grpc_status\":", Field::GrpcStatus, true),
    (",\"host\":", Field::Host, false),
    (",\"limit\":", Field::Limit, true),
    (",\"listener\":", Field::Listener, false),
    (",\"method\":", Field::Method, false),
    (",\"protocol\":", Field::Protocol, false),
    (",\"proxy\":", Field::Proxy, true),
    (",\"referer\":", Field::Referer, false),
    (",\"request_id\":", Field::RequestId, true),
    (",\"sample\":", Field::Sample, true),
    (",\"service\":", Field::Service, false),
    (",\"sla\":", Field::Sla, true),
    (",\"status\":", Field::Status, false),
    (",\"target\":", Field::Target, false),
    (",\"time\":", Field::Time, false),
    (",\"trace_id\":", Field::TraceId, true),
    (",\"tried\":", Field::Tried, false),
    (",\"user\":", Field::User, true),
    (",\"user_agent\":", Field::UserAgent, false),
];

/// The same of a session's object.
const SESSION: &[(&str, Field, bool)] = &[
    (",\"aborted\":", Field::Aborted, true),
    (",\"attempts\":", Field::Attempts, false),
    (",\"backend\":", Field::Backend, false),
    (",\"bytes\":", Field::Bytes, false),
    (",\"bytes_received\":", Field::BytesIn, false),
    (",\"client\":", Field::Client, false),
    (",\"connect_ms\":", Field::Connect, false),
    (",\"datagrams\":", Field::Datagrams, true),
    (",\"datagrams_received\":", Field::DatagramsReceived, true),
    (",\"duration_ms\":", Field::Duration, false),
    (",\"end\":", Field::End, false),
    (",\"failure\":", Field::Failure, false),
    (",\"listener\":", Field::Listener, false),
    (",\"protocol\":", Field::Protocol, false),
    (",\"proxy\":", Field::Proxy, true),
    (",\"sample\":", Field::Sample, true),
    (",\"server_name\":", Field::TlsServerName, false),
    (",\"service\":", Field::Service, false),
    (",\"sla\":", Field::Sla, true),
    (",\"time\":", Field::Time, false),
    (",\"tried\":", Field::Tried, false),
];

/// Apache's "combined", with the time it took in microseconds at the end.
const COMBINED: &[(&str, Field)] = &[
    ("", Field::Client),
    (" - ", Field::User),
    (" [", Field::TimeClf),
    ("] \"", Field::Method),
    (" ", Field::Target),
    (" ", Field::Protocol),
    ("\" ", Field::StatusOr499),
    (" ", Field::Bytes),
    (" \"", Field::Referer),
    ("\" \"", Field::UserAgent),
    ("\" ", Field::DurationMicros),
];

/// As near to "combined" as what has no request can be: the request is the protocol, the name that was asked for, and where it went; the
/// status is the word for its end.
const COMBINED_SESSION: &[(&str, Field)] = &[
    ("", Field::Client),
    (" - - [", Field::TimeClf),
    ("] \"", Field::Protocol),
    (" ", Field::TlsServerName),
    (" ", Field::Backend),
    ("\" ", Field::End),
    (" ", Field::Bytes),
    (" \"-\" \"-\" ", Field::DurationMicros),
];

impl Layout {
    /// Whether lines are JSON objects.
    pub fn is_json(&self) -> bool {
        matches!(self, Self::Json(_))
    }

    fn fixed_json(members: &'static [(&'static str, Field, bool)]) -> Self {
        let member = |&(key, field, optional)| Member { key: Cow::Borrowed(key), field, optional };
        Self::Json(members.iter().map(member).collect())
    }

    fn fixed_text(parts: &'static [(&'static str, Field)]) -> Self {
        let both = parts.iter().flat_map(|&(text, field)| {
            let text = (!text.is_empty()).then_some(Part::Text(Cow::Borrowed(text)));
            text.into_iter().chain([Part::Field(field)])
        });
        Self::Text(both.collect())
    }

    fn fields(&self) -> Box<dyn Iterator<Item = Field> + '_> {
        match self {
            Self::Json(members) => Box::new(members.iter().map(|member| member.field)),
            Self::Text(parts) => Box::new(parts.iter().filter_map(|part| match part {
                Part::Text(_) => None,
                Part::Field(field) => Some(*field),
            })),
        }
    }
}

impl AccessLines {
    /// JSON objects with these members, in this order; without any, with those that lines have where none are chosen. Where only a share is
    /// written, `sample` is added where it is missing.
    pub fn json(chosen: &[FieldName], sampling: Sampling) -> Self {
        if chosen.is_empty() {
            return Self::laid_out(Layout::fixed_json(EXCHANGE), Layout::fixed_json(SESSION), sampling);
        }
        // an exchange and a session each have a layout of their own, and here they are the same
        let mut headers = Headers::default();
        let layout = |headers: &mut Headers| {
            let member = |name: &FieldName| Member {
                key: format!(",\"{}\":", name.text()).into(),
                field: headers.resolve(name),
                optional: false,
            };
            let mut members: Vec<Member> = chosen.iter().map(member).collect();
            if sampling.share < 1.0 && members.iter().all(|member| member.field != Field::Sample) {
                members.push(Member { key: ",\"sample\":".into(), field: Field::Sample, optional: true });
            }
            Layout::Json(members)
        };
        let (exchange, session) = (layout(&mut headers), layout(&mut headers));
        headers.complete(Self::laid_out(exchange, session, sampling))
    }

    /// Lines in the format "combined".
    pub fn combined(sampling: Sampling) -> Self {
        Self::laid_out(Layout::fixed_text(COMBINED), Layout::fixed_text(COMBINED_SESSION), sampling)
    }

    /// Lines by a template.
    pub fn template(pieces: &[Piece], sampling: Sampling) -> Self {
        let mut headers = Headers::default();
        let layout = |headers: &mut Headers| {
            let part = |piece: &Piece| match piece {
                Piece::Text(text) => Part::Text(text.clone().into()),
                Piece::Field(name) => Part::Field(headers.resolve(name)),
            };
            Layout::Text(pieces.iter().map(part).collect())
        };
        let (exchange, session) = (layout(&mut headers), layout(&mut headers));
        headers.complete(Self::laid_out(exchange, session, sampling))
    }

    fn laid_out(exchange: Layout, session: Layout, sampling: Sampling) -> Self {
        let mut wants = Wants::default();
        for field in exchange.fields() {
            match field {
                Field::Authorized | Field::Queue | Field::Connect | Field::FirstByte => wants.times = true,
                Field::BytesIn => wants.bytes_in = true,
                Field::Route => wants.route = true,
                Field::TlsServerName | Field::TlsVersion => wants.tls = true,
                _ => {}
            }
        }
        Self { exchange, session, sampling, request_headers: Vec::new(), response_headers: Vec::new(), wants }
    }
}

/// The headers that lines say, each once.
#[derive(Default)]
struct Headers {
    request: Vec<HeaderName>,
    response: Vec<HeaderName>,
}

impl Headers {
    fn resolve(&mut self, name: &FieldName) -> Field {
        let place = |known: &mut Vec<HeaderName>, name: &HeaderName| {
            known.iter().position(|known| known == name).unwrap_or_else(|| {
                known.push(name.clone());
                known.len() - 1
            })
        };
        match name {
            FieldName::Known(_, field) => *field,
            FieldName::RequestHeader(name) => Field::RequestHeader(place(&mut self.request, name)),
            FieldName::ResponseHeader(name) => Field::ResponseHeader(place(&mut self.response, name)),
        }
    }

    fn complete(self, lines: AccessLines) -> AccessLines {
        AccessLines { request_headers: self.request, response_headers: self.response, ..lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_something_is_wanted_only_where_it_is_said() {
        assert_eq!(AccessLines::default().wants, Wants::default());
        assert_eq!(AccessLines::combined(Sampling::ALL).wants, Wants::default());
        let names = ["queue_ms", "route", "request_header:a", "response_header:b", "request_header:a"];
        let chosen = names.map(|name| FieldName::parse(name).unwrap());
        let lines = AccessLines::json(&chosen, Sampling::ALL);
        assert_eq!(lines.wants, Wants { times: true, route: true, ..Wants::default() });
        assert_eq!((lines.request_headers.len(), lines.response_headers.len()), (1, 1));
        assert_eq!(lines.exchange.fields().last(), Some(Field::RequestHeader(0)));
    }

    #[test]
    fn a_line_that_stands_for_others_says_so_whatever_is_chosen() {
        let sampling = Sampling { share: 0.5, ..Sampling::ALL };
        let chosen = [FieldName::parse("time").unwrap()];
        assert_eq!(AccessLines::json(&chosen, sampling).exchange.fields().last(), Some(Field::Sample));
        assert_eq!(AccessLines::json(&chosen, Sampling::ALL).exchange.fields().last(), Some(Field::Time));
    }
}
