//! Evenkeel, configured as a situation wants it: checks every 500 ms, else the contract's defaults.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::proxy::{Place, Setup, crowd};

/// The configuration's name in the proxy's directory.
pub const FILE: &str = "proxy.toml";

/// The built binary, or the one that the environment names.
pub fn command(place: &Place) -> Command {
    let binary = std::env::var("EVENKEEL").unwrap_or_else(|_| env!("CARGO_BIN_EXE_evenkeel").to_owned());
    let mut command = Command::new(binary);
    command.arg("run").arg("-c").arg(place.directory().join(FILE));
    command
}

/// Asks `/readyz`.
pub fn is_ready(place: &Place) -> bool {
    ask(place, "/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

/// The value of each series of the service under load that this metric has, by its last label.
pub fn metric(place: &Place, name: &str) -> BTreeMap<String, u64> {
    let begin = format!("{name}{{service=\"api\",");
    let text = ask(place, "/metrics").unwrap_or_default();
    let of_line = |line: &str| {
        let (labels, value) = line.strip_prefix(&begin)?.rsplit_once(' ')?;
        let label = labels.trim_end_matches("\"}").rsplit('"').next()?;
        Some((label.to_owned(), value.parse().ok()?))
    };
    text.lines().filter_map(of_line).collect()
}

fn ask(place: &Place, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(place.admin.address())?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map(|_| answer)
}

/// `proxy.toml`.
pub fn configuration(setup: &Setup, place: &Place) -> String {
    let mut toml = format!(
        "[server]\nworkers = 2\nstate_dir = {:?}\n\n[admin]\nbind = \"{}\"\n\n[log]\nlevel = \"info\"\n\n\
         [[listener]]\nname = \"web\"\nbind = \"{}\"\n\n",
        place.directory().join("state"),
        place.admin.address(),
        place.port.address(),
    );
    if let Some(limit) = setup.header_timeout {
        writeln!(toml, "[listener.limits]\nheader_timeout = \"{limit}\"\n").unwrap();
    }
    writeln!(
        toml,
        "[[listener.route]]\npath_prefix = \"/\"\nservice = \"api\"\n\
         response_headers = {{ set = {{ \"x-generation\" = \"{}\" }} }}\n",
        setup.generation
    )
    .unwrap();
    if setup.crowd > 0 {
        toml.push_str("[[listener.route]]\npath_prefix = \"/crowd/\"\nservice = \"crowd\"\n\n");
    }
    toml.push_str(&api(setup));
    if setup.crowd > 0 {
        toml.push_str("\n[service.crowd]\n");
        crowd(setup.crowd)
            .for_each(|address| writeln!(toml, "[[service.crowd.backend]]\naddress = \"{address}\"").unwrap());
    }
    toml
}

/// The service under load.
fn api(setup: &Setup) -> String {
    let mut toml = "[service.api.health]\ninterval = \"500ms\"\n".to_owned();
    if let Some(limit) = setup.response_timeout {
        writeln!(toml, "[service.api.timeout]\nresponse = \"{limit}\"").unwrap();
    }
    if setup.retry_on_500 {
        toml.push_str("[service.api.retry]\non = [\"connect\", \"reset\", \"500\", \"502\", \"503\", \"504\"]\n");
    }
    if let Some(hedge) = setup.hedge {
        writeln!(toml, "[service.api.retry]\nhedge = \"{hedge}\"").unwrap();
    }
    if let Some(factor) = setup.latency_factor {
        writeln!(toml, "[service.api.outlier]\nlatency_factor = {factor:?}").unwrap();
    }
    for address in &setup.backends {
        writeln!(toml, "[[service.api.backend]]\naddress = \"{address}\"").unwrap();
    }
    toml
}
