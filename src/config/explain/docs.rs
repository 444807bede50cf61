//! Where the documentation has a section about a key.

const REFERENCE: &str = "docs/configuration.md";

/// The sections of docs/configuration.md. A test sees that none is missing.
const SECTIONS: [&str; 34] = [
    "server",
    "admin",
    "log",
    "metrics",
    "listener",
    "listener.limits",
    "listener.rate_limit",
    "listener.client_limits",
    "listener.tls",
    "listener.route",
    "service.NAME",
    "service.NAME.backend",
    "service.NAME.hash",
    "service.NAME.affinity",
    "service.NAME.tls",
    "service.NAME.health",
    "service.NAME.outlier",
    "service.NAME.detect",
    "service.NAME.circuit_breaker",
    "service.NAME.concurrency",
    "service.NAME.retry",
    "service.NAME.timeout",
    "service.NAME.pool",
    "service.NAME.limits",
    "service.NAME.load_reports",
    "service.NAME.discover",
    "service.NAME.fallback",
    "service.NAME.recover",
    "service.NAME.recovery",
    "service.NAME.sla",
    "notify",
    "state",
    "otlp",
    "cluster",
];

/// What is explained in a document of its own.
const ELSEWHERE: [(&str, &str); 21] = [
    ("listener.allow", "docs/access.md#networks"),
    ("listener.deny", "docs/access.md#networks"),
    ("listener.request_headers", "docs/headers.md#who-changes-what"),
    ("listener.response_headers", "docs/headers.md#who-changes-what"),
    ("listener.security_headers", "docs/headers.md#security-headers"),
    ("listener.client_ip_header", "docs/headers.md#the-clients-address"),
    ("listener.route.allow", "docs/access.md#networks"),
    ("listener.route.deny", "docs/access.md#networks"),
    ("listener.route.auth", "docs/access.md"),
    ("listener.route.auth.client_cert", "docs/access.md#client-certificates"),
    ("listener.route.auth.basic", "docs/access.md#users-and-passwords"),
    ("listener.route.auth.jwt", "docs/access.md#tokens"),
    ("listener.route.auth.forward", "docs/access.md#another-service-decides"),
    ("listener.route.request_headers", "docs/headers.md#who-changes-what"),
    ("listener.route.response_headers", "docs/headers.md#who-changes-what"),
    ("listener.route.cors", "docs/headers.md#cors"),
    ("listener.route.rate_limit", "docs/configuration.md#listenerrate_limit"),
    ("listener.route.split", "docs/routing.md#splits"),
    ("listener.route.split_by", "docs/routing.md#splits"),
    ("listener.route.canary", "docs/routing.md#canaries"),
    ("listener.route.mirror", "docs/routing.md#mirroring"),
];

/// The place for a key: that of the nearest section around it.
pub(super) fn place(path: &str) -> String {
    let around =
        |section: &str| path.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let section = SECTIONS.iter().copied().filter(|section| around(section)).max_by_key(|section| section.len());
    let elsewhere = ELSEWHERE.iter().filter(|(key, _)| around(key)).max_by_key(|(key, _)| key.len());
    match (section, elsewhere) {
        (Some(section), Some((key, place))) if key.len() > section.len() => (*place).to_owned(),
        // the anchor of a heading has its letters without punctuation
        (Some(section), _) => format!("{REFERENCE}#{}", section.replace('.', "").to_ascii_lowercase()),
        (None, _) => REFERENCE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The headings of a document, as they are written.
    fn headings(file: &str) -> Vec<String> {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let headings = text.lines().filter(|line| line.starts_with('#'));
        headings.map(|line| line.trim_start_matches('#').trim().to_owned()).collect()
    }

    fn anchor(heading: &str) -> String {
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        heading.chars().filter(kept).collect::<String>().to_lowercase().replace(' ', "-")
    }

    #[test]
    fn the_sections_are_those_of_the_reference() {
        let of_sections: Vec<String> = headings(REFERENCE)
            .iter()
            .filter(|heading| heading.starts_with("`["))
            .map(|heading| heading.trim_matches(['`', '[', ']']).to_owned())
            .collect();
        assert_eq!(SECTIONS.to_vec(), of_sections, "SECTIONS has the headings of {REFERENCE}, in their order");
    }

    #[test]
    fn each_place_is_there() {
        let places =
            SECTIONS.iter().map(|section| place(section)).chain(ELSEWHERE.iter().map(|(_, to)| (*to).to_owned()));
        for place in places {
            let (file, wanted) = place.split_once('#').unwrap_or((&place, ""));
            let all = headings(file);
            assert!(wanted.is_empty() || all.iter().any(|heading| anchor(heading) == wanted), "{place}");
        }
    }

    #[test]
    fn the_nearest_section_is_named() {
        assert_eq!(place("service.NAME.retry.attempts"), "docs/configuration.md#servicenameretry");
        assert_eq!(place("service.NAME.balance"), "docs/configuration.md#servicename");
        assert_eq!(place("listener.route.auth.jwt.jwks"), "docs/access.md#tokens");
        assert_eq!(place("listener.route.authority"), "docs/configuration.md#listenerroute");
        assert_eq!(place(""), "docs/configuration.md");
    }
}
