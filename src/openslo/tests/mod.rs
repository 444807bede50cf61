mod exporting;
mod importing;
mod refusing;

use std::time::Duration;

use crate::openslo::{File, Imported, Service};
use crate::sla::{Promise, Tier, Window};

/// A promise that says as little as can be said.
fn plain() -> Promise {
    Promise {
        tier: Some(Tier::Standard),
        target: Tier::Standard.target(),
        rto: Duration::from_secs(60),
        rpo: Duration::from_secs(1),
        mttr: Duration::from_secs(300),
        mtbf: Duration::from_secs(720 * 3600),
        window: Window::Rolling(Duration::from_secs(30 * 86_400)),
        latency: None,
        floor: 0.5,
        protect: false,
    }
}

fn service(name: &str, promise: Promise) -> Service {
    Service { name: name.to_owned(), promise, maintenance: Vec::new() }
}

fn import(text: &str) -> Result<Imported, Vec<String>> {
    crate::openslo::import(&[File { name: "a.yaml", text }])
        .map_err(|refused| refused.iter().map(ToString::to_string).collect())
}

fn remarks(imported: &Imported) -> Vec<String> {
    imported.remarks.iter().map(ToString::to_string).collect()
}
