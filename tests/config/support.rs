//! What the tests have in common: a text to configuration or complaints, and a folder with certificates.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use evenkeel::config::{self, Diagnostics, Loaded, Severity};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

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
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("evenkeel-config-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
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

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
