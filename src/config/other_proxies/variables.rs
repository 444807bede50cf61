//! Variables as other proxies write them, in strings where ours are filled in: `$host` of nginx, `%[src]` of HAProxy.
//!
//! They are no variables here and would be sent as they stand. A dollar sign alone is ordinary text, so only names that are known are taken for variables.

use super::placeholder;
use crate::policy::variables::{Place, Variable};

/// What is written as variables of another proxy.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config) struct Foreign {
    /// Each of them once, as it is written.
    pub written: Vec<String>,
    /// The whole text with variables of ours; `None` = one of them has no counterpart at its place.
    pub meant: Option<String>,
}

/// Variables of nginx that have no counterpart by the same name; these and more begin as listed.
const OTHER_PREFIXES: [&str; 10] =
    ["arg_", "binary_", "cookie_", "geoip_", "http_", "proxy_", "sent_http_", "ssl_", "server_", "upstream_"];

/// What is filled in at `place` by another proxy, if this text is of one.
pub(in crate::config) fn foreign(text: &str, place: Place) -> Option<Foreign> {
    let (mut written, mut out, mut is_known) = (Vec::<String>::new(), String::with_capacity(text.len() + 16), true);
    let mut rest = text;
    while let Some(at) = rest.find(['$', '%']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let Some((length, meant)) = variable(from, place) else {
            // a doubled dollar sign is an escape of ours
            let skipped = if from.starts_with("$$") { 2 } else { 1 };
            out.push_str(&from[..skipped]);
            rest = &from[skipped..];
            continue;
        };
        if !written.iter().any(|known| known == &from[..length]) {
            written.push(from[..length].to_owned());
        }
        match &meant {
            // ours begins with its question mark
            Some(meant) if meant == "${query}" && out.ends_with('?') => {
                out.pop();
                out.push_str(meant);
            }
            Some(meant) => out.push_str(meant),
            None => is_known = false,
        }
        rest = &from[length..];
    }
    out.push_str(rest);
    (!written.is_empty()).then_some(Foreign { written, meant: is_known.then_some(out) })
}

/// The length of the variable at the start of this text, and what it is here.
fn variable(text: &str, place: Place) -> Option<(usize, Option<String>)> {
    if let Some(expression) = text.strip_prefix("%[") {
        let end = expression.find(']')?;
        return Some((end + 3, of_haproxy(&expression[..end], place)));
    }
    let name = text.strip_prefix('$')?;
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
    let name = &name[..end];
    // nginx writes the two side by side for a query with its question mark
    let both = "$is_args$args";
    if text.starts_with(both) && !text[both.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        return Some((both.len(), ours("query", place)));
    }
    let meant = match name {
        "request_uri" => Some("${path}${query}".to_owned()),
        // the machine's own name
        "hostname" => None,
        _ => Variable::named(name)
            .map(Variable::name)
            .or(placeholder(name).map(|(meant, _)| meant))
            .and_then(|meant| ours(meant, place)),
    };
    let is_one = meant.is_some() || name == "hostname" || OTHER_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    is_one.then_some((1 + end, meant))
}

/// What an expression of HAProxy is here.
fn of_haproxy(expression: &str, place: Place) -> Option<String> {
    match expression.split(',').next().unwrap_or_default() {
        "src" => ours("client_ip", place),
        "src_port" => ours("client_port", place),
        "hdr(host)" | "req.hdr(host)" | "req.hdr(Host)" => ours("host", place),
        "path" => ours("path", place),
        "pathq" | "url" => Some("${path}${query}".to_owned()),
        "method" => ours("method", place),
        "ssl_fc_sni" => ours("tls.sni", place),
        "ssl_fc_protocol" => ours("tls.version", place),
        "ssl_fc_cipher" => ours("tls.cipher", place),
        "unique-id" => ours("request_id", place),
        _ => None,
    }
}

/// How the variable of this name is written, where it is known.
fn ours(name: &str, place: Place) -> Option<String> {
    Variable::named(name).filter(|variable| variable.unknown_at(place).is_none()).map(|_| format!("${{{name}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(text: &str) -> Option<String> {
        foreign(text, Place::Redirect).expect(text).meant
    }

    #[test]
    fn variables_of_nginx_and_haproxy_are_written_in_our_way() {
        for (text, ours) in [
            ("https://$host$request_uri", "https://${host}${path}${query}"),
            ("$scheme://new.example$uri$is_args$args", "${scheme}://new.example${path}${query}"),
            ("/new?$args", "/new${query}"),
            ("/new$is_args$args&x", "/new${query}&x"),
            ("$remote_addr:$remote_port", "${client_ip}:${client_port}"),
            ("https://%[hdr(host)]%[pathq]", "https://${host}${path}${query}"),
            ("%[src]", "${client_ip}"),
            ("%[req.hdr(host),lower]", "${host}"),
            ("${host}$host", "${host}${host}"),
        ] {
            assert_eq!(meant(text).as_deref(), Some(ours), "{text}");
        }
    }

    #[test]
    fn each_is_told_once_and_one_without_counterpart_leaves_no_suggestion() {
        let found = foreign("$host $http_origin $host", Place::RequestHeader).unwrap();
        assert_eq!(found, Foreign { written: vec!["$host".to_owned(), "$http_origin".to_owned()], meant: None });
        // it is one, but not known where a request is answered here
        assert_eq!(foreign("$ssl_client_s_dn %[ssl_c_s_dn(cn)]", Place::Respond).unwrap().meant, None);
    }

    #[test]
    fn a_dollar_sign_alone_is_text() {
        for text in [
            "",
            "$",
            "%",
            "5 $",
            "$5",
            "$$host",
            "$${host}",
            "${host}",
            "$(document)",
            "$zzz",
            "100%",
            "%41",
            "a%[",
            "$hosts",
        ] {
            assert_eq!(foreign(text, Place::Respond), None, "{text}");
        }
        assert_eq!(foreign("$upstream_addr", Place::ResponseHeader).unwrap().meant.as_deref(), Some("${backend}"));
        assert_eq!(foreign("$upstream_addr", Place::RequestHeader).unwrap().meant, None);
    }

    proptest::proptest! {
        #[test]
        fn what_is_suggested_has_no_foreign_variable_any_more(text in "[$%a-z{}\\[\\]_?]{0,12}(\\$(host|args|uri|is_args))?[?$a-z]{0,6}") {
            if let Some(meant) = foreign(&text, Place::Redirect).and_then(|found| found.meant) {
                proptest::prop_assert_eq!(foreign(&meant, Place::Redirect), None, "{}", meant);
            }
        }
    }
}
