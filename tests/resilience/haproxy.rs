//! HAProxy, configured by the book to do the same: it shows what can be asked for, and that the suite asks for it rightly.

use std::fmt::Write as _;
use std::process::Command;

use crate::proxy::{Place, Setup, crowd};

/// The configuration's name in the proxy's directory.
pub const FILE: &str = "haproxy.cfg";

/// Debian's binary, as a master with a worker, so that it can be reloaded.
pub fn command(place: &Place) -> Command {
    let mut command = Command::new(std::env::var("HAPROXY").unwrap_or_else(|_| "/usr/sbin/haproxy".to_owned()));
    command.arg("-W").arg("-f").arg(place.directory().join(FILE));
    command
}

/// `haproxy.cfg`. POST is retried only while nothing was executed for certain; a server is marked down by its checks
/// (3 in a row) or by 5 failed exchanges in a row.
pub fn configuration(setup: &Setup, place: &Place) -> String {
    let on_500 = if setup.retry_on_500 { " 500" } else { "" };
    let mut cfg = format!(
        "global\n  maxconn 4000\n  nbthread 2\n  stats socket {}/socket mode 600 level admin expose-fd listeners\n\
         defaults\n  mode http\n  timeout connect 2s\n  timeout client 75s\n  timeout server {}\n  timeout queue 1s\n\
         \x20 timeout http-request {}\n  timeout http-keep-alive 75s\n  retries 3\n  option redispatch 1\n\
         \x20 retry-on conn-failure empty-response response-timeout 502 503 504{on_500}\n  http-reuse always\n\
         frontend web\n  bind {}\n  option idle-close-on-response\n  http-response set-header x-generation {}\n  use_backend crowd if {{ path_beg /crowd/ }}\n\
         \x20 default_backend api\n\
         backend api\n  balance roundrobin\n  option httpchk GET /\n  http-request disable-l7-retry if METH_POST\n\
         \x20 default-server check inter 500ms fall 3 rise 2 observe layer7 error-limit 5 on-error mark-down\n",
        place.directory().display(),
        setup.response_timeout.unwrap_or("30s"),
        setup.header_timeout.unwrap_or("10s"),
        place.port.address(),
        setup.generation,
    );
    for (name, address) in setup.backends.iter().enumerate() {
        writeln!(cfg, "  server s{name} {address}").unwrap();
    }
    cfg.push_str("backend crowd\n");
    for (name, address) in crowd(setup.crowd).enumerate() {
        writeln!(cfg, "  server s{name} {address}").unwrap();
    }
    cfg
}
