//! Where the access log goes, and what its lines say.

use super::address::unix_path;
use super::host::{PORT, is_host, port};
use super::{Problem, Result, nearest};
use crate::policy::access_log::{BadTemplate, Field, FieldName, Piece, parse_template};

/// How a destination begins that is a syslog server.
pub(in crate::config) const SYSLOG: &str = "syslog:";
const UNIXGRAM: &str = "unixgram:";

const DESTINATION: &str = "\"off\", \"stdout\", a file's path, \"syslog:udp://HOST:PORT\", \"syslog:tcp://HOST:PORT\", \
                           \"syslog:unix:/dev/log\" or \"unixgram:/path\"";
const FIELD: &str = "the name of a field, such as \"status\", or \"request_header:NAME\" or \"response_header:NAME\"";
const TEMPLATE: &str = "one line of text, in which ${client}, ${status} and so on are filled in";

/// Where the access log goes. Paths are as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) enum Place {
    Off,
    Stdout,
    File(String),
    Unixgram(String),
    Udp(String, u16),
    Tcp(String, u16),
    Syslog(String),
}

pub(in crate::config) fn destination(text: &str) -> Result<Place> {
    if let Some(syslog) = text.strip_prefix(SYSLOG) {
        return self::syslog(text, syslog);
    }
    if let Some(path) = text.strip_prefix(UNIXGRAM) {
        unix_path(path, DESTINATION)?;
        return Ok(Place::Unixgram(path.to_owned()));
    }
    if let Some(scheme) = ["udp://", "tcp://", "unix:"].into_iter().find(|scheme| text.starts_with(scheme)) {
        let problem = Problem::new(format!("`{text}` is no destination for the access log"), DESTINATION);
        let meant = if scheme == "unix:" { text.replacen("unix:", UNIXGRAM, 1) } else { format!("{SYSLOG}{text}") };
        return Err(problem.suggest(Some(meant)));
    }
    super::plain(text)?;
    Ok(match text {
        "off" => Place::Off,
        "stdout" => Place::Stdout,
        file => Place::File(file.to_owned()),
    })
}

fn syslog(text: &str, syslog: &str) -> Result<Place> {
    let bad = || Problem::new(format!("`{text}` is no destination for the access log"), DESTINATION);
    if let Some(path) = syslog.strip_prefix("unix:") {
        unix_path(path, DESTINATION)?;
        return Ok(Place::Syslog(path.to_owned()));
    }
    let place = |make: fn(String, u16) -> Place, address: &str| {
        let Some((host, number)) = address.rsplit_once(':') else {
            // the port of syslog over UDP (RFC 5426), which most servers have for TCP too
            return Err(bad().suggest(Some(format!("{text}:514"))).help("the port is missing"));
        };
        let number = port(number).filter(|port| *port > 0).ok_or_else(|| bad().help(PORT))?;
        if !is_host(host) {
            return Err(bad());
        }
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Ok(make(bare.to_owned(), number))
    };
    if let Some(address) = syslog.strip_prefix("udp://") {
        return place(Place::Udp, address);
    }
    if let Some(address) = syslog.strip_prefix("tcp://") {
        return place(Place::Tcp, address);
    }
    let meant = match syslog {
        path if path.starts_with('/') && !path.starts_with("//") => Some(format!("{SYSLOG}unix:{path}")),
        address => {
            Some(format!("{SYSLOG}udp://{}", address.trim_start_matches('/'))).filter(|_| !address.contains("://"))
        }
    };
    Err(bad().suggest(meant))
}

pub(in crate::config) fn field(text: &str) -> Result<FieldName> {
    FieldName::parse(text).ok_or_else(|| {
        let problem = Problem::new(format!("`{text}` is no field of the access log"), FIELD);
        match nearest_field(text) {
            Some(near) => problem.suggest(Some(near)),
            None => problem.help(known()),
        }
    })
}

pub(in crate::config) fn template(text: &str) -> Result<Vec<Piece>> {
    parse_template(text).map_err(|bad| match bad {
        BadTemplate::Empty => Problem::new("an access log of empty lines says nothing", TEMPLATE),
        BadTemplate::Control(at) => {
            Problem::new(format!("character {at} of the template is a control character"), TEMPLATE)
        }
        BadTemplate::Open(at) => {
            let problem = Problem::new(format!("`${{` at character {at} of the template has no `}}`"), TEMPLATE);
            problem.help("write `$${` for a literal `${`")
        }
        BadTemplate::Unknown(name, at) => {
            let message = format!("`{name}` at character {at} of the template is no field of the access log");
            let problem = Problem::new(message, FIELD);
            match nearest_field(&name) {
                Some(near) => problem.suggest(Some(format!("${{{near}}}"))).part(format!("${{{name}}}")),
                None => problem.help(known()),
            }
        }
    })
}

fn nearest_field(text: &str) -> Option<String> {
    let bare = text.trim_start_matches('$').trim_matches(['{', '}']);
    for (prefixes, meant) in [
        (["http_", "req.header:", "header:"], "request_header"),
        (["sent_http_", "upstream_http_", "resp.header:"], "response_header"),
    ] {
        if let Some(header) = prefixes.into_iter().find_map(|prefix| bare.strip_prefix(prefix)) {
            return Some(format!("{meant}:{}", header.replace('_', "-")))
                .filter(|name| FieldName::parse(name).is_some());
        }
    }
    let meant = match bare {
        "remote_addr" | "client_ip" | "clientip" | "ip" => Some("client"),
        "request_method" => Some("method"),
        "remote_user" | "auth_user" => Some("user"),
        "uri" | "request_uri" | "path" | "url" => Some("target"),
        "body_bytes_sent" | "bytes_sent" => Some("bytes"),
        "request_time" => Some("duration_ms"),
        "time_local" => Some("time_clf"),
        "time_iso8601" | "timestamp" | "@timestamp" => Some("time"),
        "upstream" | "upstream_addr" => Some("backend"),
        "upstream_connect_time" => Some("connect_ms"),
        "upstream_header_time" => Some("first_byte_ms"),
        "ssl_protocol" => Some("tls_version"),
        "ssl_server_name" | "sni" => Some("tls_sni"),
        "http_version" | "server_protocol" => Some("protocol"),
        _ => None,
    };
    meant.or_else(|| nearest(bare, Field::KNOWN.map(|(name, _)| name))).map(str::to_owned)
}

fn known() -> String {
    let names: Vec<&str> = Field::KNOWN.iter().map(|(name, _)| *name).collect();
    format!("there are {}", names.join(", "))
}
