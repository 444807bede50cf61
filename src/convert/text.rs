//! Durations, sizes and addresses, from how others write them to how a `proxy.toml` does.

use std::time::Duration;

use super::units;

/// A duration of Go (`1m30s`, `1.5h`), or a plain number in `unit`.
pub fn go_duration(text: &str, unit: Duration) -> Option<Duration> {
    if let Ok(number) = text.parse::<u32>() {
        return Some(unit * number);
    }
    let (mut rest, mut total) = (text.trim().strip_prefix('+').unwrap_or(text.trim()), 0.0);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let seconds = match &rest[..end] {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        total += number * seconds;
        rest = &rest[end..];
    }
    Duration::try_from_secs_f64(total).ok()
}

/// As a `proxy.toml` has it. What is shorter than a millisecond becomes one.
pub fn duration(duration: Duration) -> String {
    let millis = duration.as_millis().max(u128::from(!duration.is_zero()));
    units::duration(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// A size (`10MB`, `10MiB`, `5k`, `100`) in bytes.
pub fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let times = match text[end..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "ki" | "kib" => 1024.0,
        "mi" | "mib" => 1_048_576.0,
        "gi" | "gib" => 1_073_741_824.0,
        _ => return None,
    };
    Some((number * times) as u64)
}

/// A URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// In small letters; empty where there is none.
    pub scheme: String,
    /// With brackets where it is an IPv6 address.
    pub host: String,
    /// Empty where none is written.
    pub port: String,
    /// With its query; empty where there is none.
    pub path: String,
}

impl Url {
    /// Takes `[scheme://]host[:port][/path]` apart.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let authority = authority.rsplit('@').next().unwrap_or(authority);
        let (host, port) = split_port(authority);
        // names of variables may stand between signs for private use, which converters put there
        let good =
            |c: char| c.is_ascii_alphanumeric() || "-_.:[]*{}$%".contains(c) || ('\u{e000}'..='\u{f8ff}').contains(&c);
        if !host.chars().all(good) || !port.chars().all(|c| c.is_ascii_digit()) {
            return None;
        }
        let (host, port) = (host.to_owned(), port.to_owned());
        Some(Self { scheme: scheme.to_ascii_lowercase(), host, port, path: path.to_owned() })
    }

    /// Host and port; the scheme's own port where none is written.
    pub fn address(&self) -> String {
        let own = match self.scheme.as_str() {
            "https" | "wss" => "443",
            _ => "80",
        };
        format!("{}:{}", self.host, if self.port.is_empty() { own } else { &self.port })
    }
}

/// Host and port of `host:port`; the port is empty where there is none.
pub fn split_port(text: &str) -> (&str, &str) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') && (!host.contains(':') || host.ends_with(']')) => (host, port),
        _ => (text, ""),
    }
}

/// Where a listener binds that others write as `:80`, `0.0.0.0:80` or `[::]:80`.
pub fn bind(host: &str, port: &str) -> String {
    match host {
        "" | "*" => format!("0.0.0.0:{port}"),
        host if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}"),
        host => format!("{host}:{port}"),
    }
}

/// The name of a suite in OpenSSL, of one as IANA and Go write it: `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`.
pub fn openssl_name(name: &str) -> String {
    let Some((exchange, cipher)) = name.strip_prefix("TLS_").and_then(|rest| rest.split_once("_WITH_")) else {
        return name.to_owned();
    };
    let cipher = cipher
        .replace("CHACHA20_POLY1305_SHA256", "CHACHA20_POLY1305")
        .replace("AES_128", "AES128")
        .replace("AES_256", "AES256");
    format!("{exchange}_{cipher}").replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_go_become_ours() {
        let told = |text| go_duration(text, Duration::from_secs(1)).map(duration);
        assert_eq!(told("1m30s").as_deref(), Some("90s"));
        assert_eq!(told("1.5h").as_deref(), Some("90m"));
        assert_eq!(told("250ms").as_deref(), Some("250ms"));
        assert_eq!(told("10").as_deref(), Some("10s"));
        assert_eq!(told("0").as_deref(), Some("0s"));
        assert_eq!(told("100us").as_deref(), Some("1ms"));
        assert_eq!(told("fast"), None);
        assert_eq!(told(""), None);
    }

    #[test]
    fn sizes_become_ours() {
        assert_eq!(size("10MiB").map(units::size).as_deref(), Some("10MiB"));
        assert_eq!(size("10MB").map(units::size).as_deref(), Some("10000000B"));
        assert_eq!(size("512").map(units::size).as_deref(), Some("512B"));
    }

    #[test]
    fn urls_are_taken_apart() {
        let url = Url::parse("https://[::1]:8443/a?b").unwrap();
        assert_eq!((url.address().as_str(), url.path.as_str()), ("[::1]:8443", "/a?b"));
        assert_eq!(Url::parse("h2c://app").unwrap().address(), "app:80");
        assert_eq!(Url::parse("https://app/").unwrap().address(), "app:443");
        assert_eq!(Url::parse("a b"), None);
        assert_eq!(split_port("::1"), ("::1", ""));
    }

    #[test]
    fn suites_are_called_as_openssl_calls_them() {
        assert_eq!(openssl_name("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), "ECDHE-RSA-AES128-GCM-SHA256");
        assert_eq!(openssl_name("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"), "ECDHE-ECDSA-CHACHA20-POLY1305");
        assert_eq!(openssl_name("TLS_AES_128_GCM_SHA256"), "TLS_AES_128_GCM_SHA256");
    }
}
