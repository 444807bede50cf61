//! What the static configuration says of the process as a whole: log, access log, providers, API, metrics, traces, certificates.

use std::rc::Rc;

use crate::convert::document::Node;
use crate::convert::original::Original;
use crate::convert::output::{Output, literal};

/// The documents of the file provider.
pub fn provided(root: &Node, original: &Original<'_>, out: &mut Output) -> Vec<Node> {
    let mut documents = Vec::new();
    let Some(providers) = root.get("providers") else { return documents };
    for (name, provider) in providers.fields() {
        match name.to_ascii_lowercase().as_str() {
            "file" => {
                provider.get("watch");
                provider.get("debugLogGeneratedTemplate");
                let single = provider.text("filename").map(|name| vec![name.to_owned()]);
                let folder = provider.text("directory").map(|folder| {
                    ["yml", "yaml", "toml"]
                        .iter()
                        .map(|end| format!("{}/*.{end}", folder.trim_end_matches('/')))
                        .collect()
                });
                for pattern in single.into_iter().chain(folder).flatten() {
                    match (original.files)(&pattern) {
                        Ok(files) => documents.extend(
                            files.iter().filter_map(|(name, text)| super::parse(&Rc::from(name.as_str()), text, out)),
                        ),
                        Err(_) if pattern.contains('*') => {}
                        Err(reason) => {
                            let why = format!("`{pattern}` can't be read ({reason}): what it configures is left out");
                            out.findings.error(
                                &provider.place,
                                "providers.file",
                                why,
                                "give it the place that the file says, or convert it by itself",
                            );
                        }
                    }
                }
            }
            "providersthrottleduration" | "precedence" => {}
            _ => {
                provider.seen();
                let why = "routers that come from there are not in any file, and are left out";
                let advice = "write them as routes; backends that come and go: `discover` (DNS, SRV, a file, etcd), and in Kubernetes a headless service by `dns`";
                out.findings.warning(&provider.place, format!("providers.{name}"), why, advice);
            }
        }
    }
    documents
}

/// Everything but entry points.
pub fn convert(root: &Node, out: &mut Output) {
    if let Some(log) = root.get("log") {
        process_log(log, out);
    }
    if let Some(log) = root.get("accessLog") {
        access_log(log, out);
    }
    for (key, why, advice) in [
        (
            "api",
            "the dashboard and the API are those of the admin address",
            "`[admin]` (127.0.0.1:9900 by default); tokens and TLS are there",
        ),
        ("ping", "the admin address answers", "ask `/healthz` or `/readyz` of the admin address (127.0.0.1:9900)"),
        ("global", "nothing is sent to anybody, and no newer version is looked for", ""),
        ("hostResolver", "names are resolved by the system's resolver", ""),
        ("ocsp", "a response that something else fetches is stapled", "`ocsp` of a certificate: docs/tls.md"),
    ] {
        if let Some(node) = root.get(key) {
            node.seen();
            out.findings.note(&node.place, key, why, advice);
        }
    }
    if let Some(metrics) = root.get("metrics") {
        metrics.seen();
        for (kind, node) in metrics.fields() {
            if kind.eq_ignore_ascii_case("prometheus") {
                let advice = "scrape `/metrics` of the admin address; names are others: docs/operations.md";
                out.findings.note(&node.place, "metrics.prometheus", "metrics are always there", advice);
            } else {
                let advice = "scrape `/metrics` of the admin address, or send them with `[otlp] metrics_interval`";
                out.findings.warning(&node.place, format!("metrics.{kind}"), "metrics are not sent there", advice);
            }
        }
    }
    for (key, advice) in [
        ("tracing", "`[otlp]` sends traces to an OpenTelemetry collector"),
        ("experimental", "plugins can't be carried over"),
        ("tcpServersTransport", ""),
    ] {
        if let Some(node) = root.get(key) {
            node.seen();
            out.findings.warning(&node.place, key, "it is left out", advice);
        }
    }
    if let Some(node) = root.get("spiffe") {
        node.seen();
        let advice = "write the certificates to files, and name them in `[service.NAME.tls]` (cert, key, ca)";
        out.findings.error(&node.place, "spiffe", "certificates of a SPIFFE workload API can't be had", advice);
    }
    root.get("core").into_iter().for_each(Node::seen);
    resolvers(root, out);
}

fn resolvers(root: &Node, out: &mut Output) {
    for (name, resolver) in root.below("certificatesResolvers") {
        resolver.seen();
        let why = "certificates are not fetched by Evenkeel itself (ACME)";
        let advice = "have certbot or another client keep them: `certificates = [{ folder = \"/etc/letsencrypt/live\" }]` is watched, and a renewal needs no reload; docs/tls.md";
        out.findings.warning(&resolver.place, format!("certificatesResolvers.{name}"), why, advice);
    }
}

fn process_log(log: &Node, out: &mut Output) {
    if let Some(level) = log.get("level") {
        let word = match level.scalar().unwrap_or_default().to_ascii_lowercase().as_str() {
            "panic" | "fatal" | "error" => "error",
            "warn" | "warning" => "warn",
            "debug" => "debug",
            "trace" => "trace",
            _ => "info",
        };
        out.log.put(&["level"], word, &level.place);
    }
    if log.text("format").is_some_and(|format| format.eq_ignore_ascii_case("json")) {
        out.log.put(&["format"], "json", &log.place);
    }
    log.get("noColor");
    if let Some(file) = log.get("filePath") {
        let advice = "have systemd or the shell write it to a file";
        out.findings.note(&file.place, "log.filePath", "the log goes to standard error", advice);
    }
    for key in ["maxSize", "maxBackups", "maxAge", "compress"] {
        log.get(key);
    }
}

fn access_log(log: &Node, out: &mut Output) {
    let to = log.text("filePath").filter(|path| !path.is_empty()).map_or("stdout".to_owned(), literal);
    let place = log.get("filePath").map_or(&log.place, |node| &node.place);
    out.log.put(&["access"], to, place);
    let json = log.text("format").is_some_and(|format| format.eq_ignore_ascii_case("json"));
    out.log.put(&["access_format"], if json { "json" } else { "combined" }, &log.place);
    log.get("bufferingSize");
    if let Some(filters) = log.get("filters") {
        if let Some(slow) = filters.get("minDuration") {
            let duration = super::transport::duration_of(slow, 1);
            if let Some(duration) = duration {
                out.log.put(&["access_slow"], duration, &slow.place);
            }
        }
        filters.seen();
        let advice = "`access_sample = 0.0` logs what failed or was slow (`access_slow`) only";
        out.findings.note(&filters.place, "accessLog.filters", "all answers are logged", advice);
    }
    if let Some(fields) = log.get("fields") {
        fields.seen();
        let advice = "`access_fields` says which fields lines have";
        out.findings.note(&fields.place, "accessLog.fields", "lines have the fields that are usual here", advice);
    }
    for key in ["addInternals", "otlp", "dualOutput", "timezone"] {
        if let Some(node) = log.get(key) {
            node.seen();
            out.findings.note(&node.place, format!("accessLog.{key}"), "it is left out", "");
        }
    }
}
