//! What the tests have in common: a text to configuration or complaints, and a folder with certificates.

#[path = "../support/scratch.rs"]
mod scratch;

use std::path::{Path, PathBuf};

use evenkeel::config::{self, Diagnostics, Loaded, Severity};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use scratch::Scratch;

/// A listener and a service that are good, so that a test is only about what it adds.
pub const GOOD: &str = r#"
[[listener]]
name = "web"
bind = "127.0.0.1:8080"
service = "app"

[[service.app.backend]]
address = "127.0.0.1:9001"
"#;

/// A service that is good, for tests that bring their own listener.
pub const SERVICE: &str = r#"
[[service.app.backend]]
address = "127.0.0.1:9001"
"#;

pub fn parse(text: &str) -> Result<Loaded, Diagnostics> {
    config::parse(text, Path::new("proxy.toml"))
}

pub fn good(text: &str) -> Loaded {
    match parse(text) {
        Ok(loaded) => loaded,
        Err(diagnostics) => panic!("should be good:\n{diagnostics}"),
    }
}

pub fn bad(text: &str) -> Diagnostics {
    match parse(text) {
        Ok(_) => panic!("should not be good:\n{text}"),
        Err(diagnostics) => diagnostics,
    }
}

/// What is said as JSON of `wrokers = N` in line 2, which is this source.
pub fn wrokers(source: &str) -> serde_json::Value {
    serde_json::json!({
        "severity": "error",
        "code": "unknown-key",
        "file": "proxy.toml",
        "line": 2,
        "column": 1,
        "width": 7,
        "end_column": 8,
        "path": "server.wrokers",
        "message": "unknown key `wrokers`",
        "suggestion": "workers",
        "replacement": "workers",
        "source": source,
    })
}

/// "line:column path: message" of each, warnings with a "~" before.
pub fn told(diagnostics: &Diagnostics) -> Vec<String> {
    let tell = |d: &config::Diagnostic| {
        let mark = if d.severity == Severity::Warning { "~" } else { "" };
        format!("{mark}{}:{} {}: {}", d.line, d.column, d.path, d.message)
    };
    diagnostics.iter().map(tell).collect()
}

/// The only complaint about this text, as "path: message".
pub fn only_mistake(text: &str) -> String {
    let diagnostics = bad(text);
    assert_eq!(diagnostics.len(), 1, "{diagnostics}");
    let only = diagnostics.iter().next().unwrap();
    format!("{}: {}", only.path, only.message)
}

/// A folder of its own that is gone when the test is.
pub struct Folder(Scratch);

impl Folder {
    pub fn new() -> Self {
        Self(Scratch::new())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        self.0.file(name, content)
    }

    /// NAME.pem and NAME.key, valid in these years.
    pub fn certificate(&self, name: &str, hosts: &[&str], from: i32, to: i32) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(hosts.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>()).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        self.write(&format!("{name}.pem"), params.self_signed(&key).unwrap().pem());
        self.write(&format!("{name}.key"), key.serialize_pem());
    }

    pub fn load(&self, text: &str) -> Result<Loaded, Diagnostics> {
        config::load(&self.write("proxy.toml", text))
    }
}
