//! Caddy's placeholders as variables of ours.

use super::lexer::{END, ENVIRONMENT};

/// The text with variables of ours in place of placeholders; what is no placeholder stays as it is. An error is a placeholder that has none.
pub fn template(text: &str) -> Result<String, String> {
    let (mut out, mut literal) = (String::new(), String::new());
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, from) = rest.split_at(open);
        literal.push_str(before);
        let Some(end) = from.find('}').filter(|end| is_name(&from[1..*end])) else {
            literal.push('{');
            rest = &from[1..];
            continue;
        };
        let name = &from[1..end];
        let ours = variable(name).ok_or_else(|| format!("{{{name}}}"))?;
        // a query comes with its sign here
        if ours == "${query}" && literal.pop() != Some('?') {
            return Err(format!("{{{name}}}"));
        }
        out.push_str(&plain(&std::mem::take(&mut literal)));
        out.push_str(&ours);
        rest = &from[end + 1..];
    }
    literal.push_str(rest);
    out.push_str(&plain(&literal));
    Ok(out)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// Text that is to stay text, but for variables of the environment.
pub fn plain(text: &str) -> String {
    text.replace("${", "$${").replace(ENVIRONMENT, "${").replace(END, "}")
}

fn variable(name: &str) -> Option<String> {
    let ours = match name {
        "host" | "http.request.host" => "${host}",
        "uri" | "http.request.uri" | "http.request.orig_uri" => "${path}${query}",
        "path" | "http.request.uri.path" | "http.request.orig_uri.path" => "${path}",
        "query" | "http.request.uri.query" | "http.request.orig_uri.query" => "${query}",
        "method" | "http.request.method" | "http.request.orig_method" => "${method}",
        "scheme" | "http.request.scheme" => "${scheme}",
        "remote_host" | "http.request.remote.host" | "client_ip" | "http.vars.client_ip" => "${client_ip}",
        "remote_port" | "http.request.remote.port" => "${client_port}",
        "tls_version" | "http.request.tls.version" => "${tls.version}",
        "tls_cipher" | "http.request.tls.cipher_suite" => "${tls.cipher}",
        "http.request.tls.server_name" => "${tls.sni}",
        "http.request.uuid" => "${request_id}",
        name => return name.strip_prefix("env.").map(|name| format!("${{{name}}}")),
    };
    Some(ours.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_become_variables() {
        assert_eq!(template("https://{host}{uri}").as_deref(), Ok("https://${host}${path}${query}"));
        assert_eq!(template("https://x{path}?{query}").as_deref(), Ok("https://x${path}${query}"));
        assert_eq!(template("{\"a\": 1}").as_deref(), Ok("{\"a\": 1}"));
        assert_eq!(template("${ {env.REGION}").as_deref(), Ok("$${ ${REGION}"));
        assert_eq!(template("{http.request.header.X}"), Err("{http.request.header.X}".to_owned()));
    }
}
