//! Variables of nginx in the values that are carried over.

use super::world::Scope;
use crate::convert::output::literal;

/// What is known where a value is used.
pub struct Known<'a> {
    /// The blocks around it.
    pub scope: &'a Scope<'a>,
    /// The first name of the server.
    pub server_name: &'a str,
    /// The port of the listener.
    pub port: u16,
    /// Whether it is a value for clients: the backend is known then.
    pub answer: bool,
}

/// A value with our variables in the place of nginx'; those that have no counterpart are the error.
pub fn translated(text: &str, known: &Known<'_>) -> Result<String, Vec<String>> {
    let mut unknown = Vec::new();
    let translated = in_depth(text, known, &mut unknown, 0);
    if unknown.is_empty() { Ok(translated) } else { Err(unknown) }
}

/// The name and the length of a variable that `text` begins with, which has its `$`.
fn variable(text: &str) -> Option<(&str, usize)> {
    let rest = text.strip_prefix('$')?;
    if let Some(inner) = rest.strip_prefix('{') {
        let end = inner.find('}')?;
        return Some((&inner[..end], end + 3));
    }
    let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    (length > 0).then(|| (&rest[..length], length + 1))
}

/// The name of a text that is one variable.
pub fn sole(text: &str) -> Option<&str> {
    variable(text).filter(|(_, length)| *length == text.len()).map(|(name, _)| name)
}

/// Whether there is a variable in it.
pub fn has_any(text: &str) -> bool {
    text.match_indices('$').any(|(at, _)| variable(&text[at..]).is_some())
}

fn in_depth(text: &str, known: &Known<'_>, unknown: &mut Vec<String>, depth: usize) -> String {
    // a query with its `?`, in the spellings that there are for it
    let text = text.replace("$is_args$args", "$evenkeel_query").replace("$is_args$query_string", "$evenkeel_query");
    let text = text.replace("?$args", "$evenkeel_query").replace("?$query_string", "$evenkeel_query");
    let mut translated = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('$') {
        translated.push_str(&literal(&rest[..at]));
        rest = &rest[at..];
        let Some((name, length)) = variable(rest) else {
            translated.push('$');
            rest = &rest[1..];
            continue;
        };
        match own(name, known) {
            Some(ours) => translated.push_str(&ours),
            None => match known.scope.set(name) {
                Some(value) if depth < 8 => translated.push_str(&in_depth(value, known, unknown, depth + 1)),
                _ => unknown.push(format!("${name}")),
            },
        }
        rest = &rest[length..];
    }
    translated.push_str(&literal(rest));
    translated
}

/// What a variable of nginx is called here.
fn own(name: &str, known: &Known<'_>) -> Option<String> {
    let ours = match name {
        "host" | "http_host" => "${host}",
        "request_uri" => "${path}${query}",
        "uri" | "document_uri" => "${path}",
        "evenkeel_query" => "${query}",
        "scheme" => "${scheme}",
        "remote_addr" => "${client_ip}",
        "remote_port" => "${client_port}",
        "request_method" => "${method}",
        "request_id" => "${request_id}",
        "time_iso8601" => "${time}",
        "ssl_protocol" => "${tls.version}",
        "ssl_cipher" => "${tls.cipher}",
        "ssl_server_name" => "${tls.sni}",
        "upstream_addr" if known.answer => "${backend}",
        "server_port" => return Some(known.port.to_string()),
        "server_name" => return Some(literal(known.server_name)),
        _ => return None,
    };
    Some(ours.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::original::Original;
    use crate::convert::output::Findings;

    #[test]
    fn variables_become_ours_and_others_are_named() {
        let files = |_: &str| Err(String::new());
        let original = Original { file: "a", text: "set $up http://$host; set $loop $loop;", files: &files };
        let directives = super::super::parse::read(&original, &mut Findings::default());
        let scope = Scope::of(directives.iter().collect());
        let known = Known { scope: &scope, server_name: "a.example", port: 8080, answer: false };
        let of = |text: &str| translated(text, &known);
        assert_eq!(of("https://$host$request_uri").unwrap(), "https://${host}${path}${query}");
        assert_eq!(of("/x?$args").unwrap(), "/x${query}");
        assert_eq!(of("${scheme}s$is_args$args").unwrap(), "${scheme}s${query}");
        assert_eq!(of("$server_name:$server_port $").unwrap(), "a.example:8080 $");
        assert_eq!(of("$up/a").unwrap(), "http://${host}/a");
        assert_eq!(of("$http_x$nothing").unwrap_err(), ["$http_x", "$nothing"]);
        assert_eq!(of("$loop").unwrap_err(), ["$loop"]);
        assert_eq!(sole("${a}"), Some("a"));
        assert_eq!(sole("$a/"), None);
    }
}
