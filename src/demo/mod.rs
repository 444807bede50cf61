//! `evenkeel demo`: what a first look needs, with nothing to install: a fleet of backends, the configuration in front of it,
//! and the words that say what to try.
//!
//! The proxy itself is no part of it: the demo's `proxy.toml` goes the way of every other.

mod backend;
mod condition;
mod fleet;
mod member;
mod restarts;
mod trouble;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

pub use fleet::Fleet;
pub use member::Member;
pub use trouble::{Proxy, Stage, Trouble, banner as trouble_banner};

/// The demo's `proxy.toml`.
pub fn configuration(fleet: &[Member], listen: SocketAddr, admin: SocketAddr, state_dir: &Path) -> String {
    let state_dir = toml::Value::from(state_dir.to_string_lossy().into_owned());
    let mut text = format!(
        "[server]\nworkers = 1\nstate_dir = {state_dir}\ndrain_timeout = \"5s\"\n\n[admin]\nbind = \"{admin}\"\n\n\
         [log]\nlevel = \"warn\"\n\n[[listener]]\nname = \"web\"\nbind = \"{listen}\"\nservice = \"demo\"\n\n\
         [service.demo]\nbalance = \"round_robin\"\n"
    );
    for Member { name, address, .. } in fleet {
        let _ = write!(text, "\n[[service.demo.backend]]\nid = \"{name}\"\naddress = \"{address}\"\n");
    }
    text
}

/// What is said once the proxy answers on `web`; 80 columns at most.
pub fn banner(fleet: &[Member], web: &str, admin: SocketAddr) -> String {
    let members: Vec<String> = fleet.iter().map(|member| format!("{} {}", member.name, member.address)).collect();
    format!(
        "\
Evenkeel {version}: a fleet of {count} backends, and the proxy in front of it.

  proxy     http://{web}
  admin     http://{admin}
            open it in a browser: what is wrong first, and who gets how much
  backends  {members}

Try, in another terminal:

  # who answers? the backends in turn
  for i in 1 2 3 4 5 6; do curl -s http://{web}/ | head -1; done
  # what a backend gets to see of the client
  curl http://{web}/any/path
  # an answer that takes its time, a failure, a megabyte, an echo
  curl 'http://{web}/slow?ms=800'
  curl -i http://{web}/status/503
  curl -o /dev/null http://{web}/bytes/1000000
  curl -d 'hello' http://{web}/echo
  # what was counted
  curl http://{admin}/api/v1/status
  curl http://{admin}/metrics

Ctrl-C ends it.
",
        version = env!("CARGO_PKG_VERSION"),
        count = fleet.len(),
        members = members.join("\n            "),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::condition::Condition;
    use super::*;

    fn fleet() -> Vec<Member> {
        let address = SocketAddr::from(([127, 0, 0, 1], 65_535));
        let member = |name| Member { name, address, condition: Arc::new(Condition::new(Duration::ZERO)) };
        ["a", "b", "c"].map(member).to_vec()
    }

    #[test]
    fn the_configuration_is_toml_whatever_the_folder_is_called() {
        let address = SocketAddr::from(([127, 0, 0, 1], 8_080));
        let text = configuration(&fleet(), address, address, Path::new("/tmp/a \"b\" \\c"));
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["server"]["state_dir"].as_str(), Some("/tmp/a \"b\" \\c"));
        assert_eq!(table["listener"][0]["bind"].as_str(), Some("127.0.0.1:8080"));
        assert_eq!(table["service"]["demo"]["backend"][2]["address"].as_str(), Some("127.0.0.1:65535"));
    }

    #[test]
    fn the_banner_fits_a_terminal() {
        let admin = SocketAddr::from(([127, 0, 0, 1], 65_535));
        let banner = banner(&fleet(), "127.0.0.1:65535", admin);
        for line in banner.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
