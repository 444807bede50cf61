//! Log-format strings in values that are carried over: `%[src]`, `%ci`.

use crate::convert::output::literal;

/// A value with our variables; those that have no counterpart are the error.
pub fn translated(text: &str, secure: bool, answer: bool) -> Result<String, Vec<String>> {
    let mut translated = String::new();
    let mut unknown = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        translated.push_str(&literal(&rest[..at]));
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            translated.push('%');
            rest = after;
            continue;
        }
        let (name, after) = expression(rest);
        match own(name, secure, answer) {
            Some(ours) => translated.push_str(ours),
            None => unknown.push(format!("%{name}")),
        }
        rest = after;
    }
    translated.push_str(&literal(rest));
    if unknown.is_empty() { Ok(translated) } else { Err(unknown) }
}

/// An expression behind its `%`, and what follows: `[src]`, `ci`, `{+X}o`.
fn expression(text: &str) -> (&str, &str) {
    if text.starts_with('[') {
        let mut depth = 0;
        for (at, c) in text.char_indices() {
            depth += i32::from(c == '[') - i32::from(c == ']');
            if depth == 0 {
                return text.split_at(at + 1);
            }
        }
        return (text, "");
    }
    let end = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
    text.split_at(end)
}

fn own(name: &str, secure: bool, answer: bool) -> Option<&'static str> {
    let inner = name.trim_start_matches('[').trim_end_matches(']');
    let inner = inner.trim_end_matches(",lower").trim_end_matches(",url_enc");
    Some(match inner {
        "src" | "ci" => "${client_ip}",
        "src_port" | "cp" => "${client_port}",
        "hdr(host)"
        | "req.hdr(host)"
        | "req.hdr(Host)"
        | "hdr(Host)"
        | "req.fhdr(host)"
        | "base,field(1,:)"
        | "hdr(host),field(1,:)"
        | "req.hdr(host),field(1,:)" => "${host}",
        "path" | "HPO" => "${path}",
        "pathq" | "capture.req.uri" | "HU" | "url" | "HP" => "${path}${query}",
        "method" | "HM" | "capture.req.method" => "${method}",
        "ssl_fc_protocol" | "sslv" => "${tls.version}",
        "ssl_fc_cipher" | "sslc" => "${tls.cipher}",
        "ssl_fc_sni" => "${tls.sni}",
        "unique-id" | "ID" | "uuid()" => "${request_id}",
        "fe_name" | "f" => "${listener}",
        "be_name" | "b" => "${service}",
        "srv_name" | "s" if answer => "${backend}",
        "ssl_fc,iif(https,http)" => "${scheme}",
        "dst_port" if secure => "443",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_become_ours_and_others_are_named() {
        let of = |text: &str| translated(text, false, true);
        assert_eq!(of("https://%[hdr(host)]%[pathq]").unwrap(), "https://${host}${path}${query}");
        assert_eq!(of("%ci:%cp 100%% %s").unwrap(), "${client_ip}:${client_port} 100% ${backend}");
        assert_eq!(of("a${b}").unwrap(), "a$${b}");
        assert_eq!(of("%[req.hdr(x)]").unwrap_err(), ["%[req.hdr(x)]"]);
        assert_eq!(of("%[path,regsub([a],b)]").unwrap_err(), ["%[path,regsub([a],b)]"]);
    }
}
