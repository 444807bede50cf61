//! What a bucket says when it refuses something, in words that say what to do.

use std::time::{Duration, SystemTime};

use http::header::DATE;
use http::{HeaderMap, StatusCode};

/// Clocks that are further apart are told, where a request was refused.
const APART: Duration = Duration::from_secs(300);

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    List,
    Put,
    Get,
    Delete,
}

impl Asked {
    /// The permission for it.
    fn permission(self) -> &'static str {
        match self {
            Self::List => "s3:ListBucket",
            Self::Put => "s3:PutObject",
            Self::Get => "s3:GetObject",
            Self::Delete => "s3:DeleteObject",
        }
    }
}

/// A sentence about a refusal.
#[allow(clippy::too_many_arguments)]
pub(super) fn refusal(
    asked: Asked,
    bucket: &str,
    region: &str,
    server: &str,
    status: StatusCode,
    fields: &HeaderMap,
    body: &str,
    now: SystemTime,
) -> String {
    let code = element(body, "Code").unwrap_or_default();
    let message = element(body, "Message").unwrap_or_default();
    if status == StatusCode::FORBIDDEN
        && let Some(apart) = clocks(fields, now)
    {
        return format!("{server} refuses the signature, because {apart}: set the clock");
    }
    if let Some(right) = fields.get("x-amz-bucket-region").and_then(|value| value.to_str().ok())
        && right != region
        && !status.is_server_error()
    {
        return format!("the bucket `{bucket}` is in the region {right}, not {region}: set AWS_REGION");
    }
    match code {
        "NoSuchBucket" => format!("there is no bucket `{bucket}` at {server}"),
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidSecurity" => {
            format!("{server} does not take the credentials ({code}): see AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        }
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => {
            format!("{server} does not take AWS_SESSION_TOKEN any longer ({code})")
        }
        "AccessDenied" => {
            format!("{server} denies access to the bucket `{bucket}`: the credentials need {}", asked.permission())
        }
        "" => format!("{server} answers with {status}"),
        _ => format!("{server} answers with {status}: {code}: {}", message.chars().take(200).collect::<String>()),
    }
}

/// How far this machine's clock is from the server's, where that is too far.
fn clocks(fields: &HeaderMap, now: SystemTime) -> Option<String> {
    let theirs = httpdate::parse_http_date(fields.get(DATE)?.to_str().ok()?).ok()?;
    let (apart, which) = match now.duration_since(theirs) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    (apart > APART).then(|| format!("this machine's clock is {} s {which} the server's", apart.as_secs()))
}

/// The text of the first element of this name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let begin = xml.find(&format!("<{name}>"))? + name.len() + 2;
    let length = xml[begin..].find("</")?;
    Some(xml[begin..begin + length].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, fields: &[(&'static str, &str)], code: &str) -> String {
        let body = format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>Why.</Message></Error>");
        let mut map = HeaderMap::new();
        fields.iter().for_each(|(name, value)| _ = map.insert(*name, value.parse().unwrap()));
        let now = httpdate::parse_http_date("Wed, 21 Oct 2015 07:28:00 GMT").unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        refusal(Asked::Put, "b", "us-east-1", "s3.example", status, &map, &body, now)
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        for (status, fields, code, part) in [
            (404, &[][..], "NoSuchBucket", "there is no bucket `b`"),
            (403, &[], "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"),
            (403, &[("date", "Wed, 21 Oct 2015 07:27:00 GMT")], "AccessDenied", "the credentials need s3:PutObject"),
            (
                403,
                &[("date", "Wed, 21 Oct 2015 08:28:00 GMT")],
                "AccessDenied",
                "clock is 3600 s behind the server's: set",
            ),
            (403, &[("date", "Wed, 21 Oct 2015 06:28:00 GMT")], "RequestTimeTooSkewed", "3600 s ahead of the server's"),
            (400, &[], "ExpiredToken", "AWS_SESSION_TOKEN"),
            (
                301,
                &[("x-amz-bucket-region", "eu-west-1")],
                "PermanentRedirect",
                "is in the region eu-west-1, not us-east-1",
            ),
            (503, &[("x-amz-bucket-region", "eu-west-1")], "SlowDown", "503 Service Unavailable: SlowDown: Why."),
            (507, &[], "", "s3.example answers with 507 Insufficient Storage"),
        ] {
            let told = told(status, fields, code);
            assert!(told.contains(part), "{told}");
        }
    }
}
