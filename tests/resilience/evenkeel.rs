//! Evenkeel, configured as a situation wants it: checks every 500 ms, else the contract's defaults.

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
    let ask = || {
        let mut stream = TcpStream::connect(place.admin.address())?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map(|_| answer.starts_with(b"HTTP/1.1 200 "))
    };
    ask().unwrap_or(false)
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
