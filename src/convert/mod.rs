//! Configurations of other proxies, as a `proxy.toml`: text goes in, and text and findings come out.
//!
//! Each format has a parser that knows lines, and a converter that fills an [`output::Output`]. Whatever a converter does not carry over is a finding at
//! its line, with what to do instead; what would leave the result less safe than the original is an error. What it was to protect is closed where
//! that is known, and else the finding says what happens.

pub mod caddy;
pub mod haproxy;
mod ciphers;
mod decision;
mod document;
mod expression;
mod hosts;
mod networks;
pub mod nginx;
mod original;
pub mod output;
mod plain;
mod text;
pub mod traefik;
mod units;
mod unused;
mod users;

pub use original::{Files, Original};
use output::Output;

/// Whose configuration it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `nginx.conf`
    Nginx,
    /// `haproxy.cfg`
    Haproxy,
    /// `traefik.yml` or `.toml`, or a file of the dynamic configuration.
    Traefik,
    /// `Caddyfile`
    Caddy,
}

/// Whose configuration a file is, by its name and by what is in it; `None` where neither says so.
pub fn guess(file: &str, text: &str) -> Option<Format> {
    let name = file.rsplit('/').next().unwrap_or(file).to_ascii_lowercase();
    if name.contains("haproxy") || name.ends_with(".cfg") {
        return Some(Format::Haproxy);
    }
    if name.contains("nginx") {
        return Some(Format::Nginx);
    }
    if traefik::guess(file, text) {
        return Some(Format::Traefik);
    }
    if caddy::guess(file, text) {
        return Some(Format::Caddy);
    }
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let section = |line: &str| {
        let first = line.split_whitespace().next().unwrap_or_default();
        !line.ends_with(['{', ';'])
            && matches!(first, "global" | "defaults" | "frontend" | "backend" | "listen" | "userlist")
    };
    if lines.clone().any(section) {
        return Some(Format::Haproxy);
    }
    let directive = |line: &str| {
        let block = ["http", "server", "stream", "events", "upstream"].iter().any(|name| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.trim().is_empty() || rest.starts_with([' ', '{']) && rest.contains('{'))
        });
        block || line.ends_with(';') && (line.starts_with("listen ") || line.starts_with("proxy_pass "))
    };
    lines.any(directive).then_some(Format::Nginx)
}

/// Whether a text is a configuration of Evenkeel itself.
pub fn is_ours(text: &str) -> bool {
    let begins = |line: &str| {
        ["[[listener]]", "[[listener.", "[[service.", "[listener.", "[service."]
            .iter()
            .any(|head| line.starts_with(head))
    };
    text.lines().any(|line| begins(line.trim()))
}

/// Converts.
pub fn convert(format: Format, original: &Original<'_>) -> Output {
    match format {
        Format::Nginx => nginx::convert(original),
        Format::Haproxy => haproxy::convert(original),
        Format::Traefik => traefik::convert(original),
        Format::Caddy => caddy::convert(original),
    }
}
