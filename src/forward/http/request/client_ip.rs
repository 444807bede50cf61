//! The field that tells a backend the client's address, such as `X-Real-IP`.

use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::protocol::http::fields::{Client, X_FORWARDED_FOR};

/// Says in this field who sent the request: in place of what the client says there, unless it is a trusted proxy that tells its own client's
/// address in no other way.
pub fn put(headers: &mut HeaderMap, name: &HeaderName, client: &Client, sender: Option<IpAddr>) {
    let is_told = || headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(header::FORWARDED);
    let told = if client.trusted && !is_told() { given(headers, name) } else { None };
    let value = told.or(sender).and_then(|address| HeaderValue::try_from(address.to_string()).ok());
    match value {
        Some(value) => _ = headers.insert(name, value),
        None => _ = headers.remove(name),
    }
}

/// The one address that the field gives.
fn given(headers: &HeaderMap, name: &HeaderName) -> Option<IpAddr> {
    let mut given = headers.get_all(name).iter();
    let address: IpAddr = given.next()?.to_str().ok()?.trim().parse().ok()?;
    given.next().is_none().then(|| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_that_says_nothing_else_is_believed() {
        let name = HeaderName::from_static("x-real-ip");
        let told = |trusted: bool, fields: &[(&'static str, &'static str)]| {
            let field = |(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            let mut headers = HeaderMap::new();
            fields.iter().map(field).for_each(|(name, value)| _ = headers.append(name, value));
            let peer = "10.0.0.1".parse().ok();
            put(&mut headers, &name, &Client::new(peer, false, trusted), peer);
            headers.get_all(&name).iter().map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(told(false, &[("x-real-ip", "6.6.6.6")]), ["10.0.0.1"]);
        assert_eq!(told(true, &[("x-real-ip", "192.0.2.7")]), ["192.0.2.7"]);
        assert_eq!(told(true, &[("x-real-ip", "6.6.6.6"), ("x-forwarded-for", "192.0.2.7")]), ["10.0.0.1"]);
        assert_eq!(told(true, &[("x-real-ip", "6.6.6.6"), ("x-real-ip", "7.7.7.7")]), ["10.0.0.1"]);
        assert_eq!(told(true, &[("x-real-ip", "nonsense")]), ["10.0.0.1"]);
        assert_eq!(told(true, &[]), ["10.0.0.1"]);
    }
}
