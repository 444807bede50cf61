//! Tests that change what belongs to the whole machine: they run again where they have it for themselves.

use std::process::Command;

/// Runs an ignored test of this binary in a network of its own, with the loopback interface up.
pub fn run_in_own_network(test: &str) {
    run("-rn", "ip link set lo up", test);
}

/// Runs an ignored test of this binary with a hosts file of its own.
pub fn run_with_hosts(hosts: &str, test: &str) {
    let lines = hosts.replace('\n', "\\n");
    let setup = format!("f=$(mktemp) && printf '127.0.0.1 localhost\\n{lines}\\n' >$f && mount --bind $f /etc/hosts");
    run("-rm", &setup, test);
}

/// Runs an ignored test of this binary in a network of its own, with a `resolv.conf` of its own that names the server 127.0.0.1.
pub fn run_with_resolv_conf(options: &str, test: &str) {
    let setup = format!(
        "ip link set lo up && f=$(mktemp) && printf 'nameserver 127.0.0.1\\noptions {options}\\n' >$f && \
         mount --bind $f /etc/resolv.conf"
    );
    run("-rnm", &setup, test);
}

/// Where the system does not let its users have such a place, nothing is run, and that is said.
fn run(place: &str, setup: &str, test: &str) {
    let script = format!("{setup} && exec \"$0\" \"$@\"");
    let inside = |command: &[&str]| {
        let out = Command::new("unshare").args([place, "sh", "-c", &script]).args(command).output();
        out.map(|out| {
            (
                out.status.success(),
                [out.stdout, out.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat(),
            )
        })
    };
    if !inside(&["true"]).is_ok_and(|(worked, _)| worked) {
        eprintln!("not tested: no namespace can be had here");
        return;
    }
    let own = std::env::current_exe().unwrap();
    let (passed, said) = inside(&[own.to_str().unwrap(), "--exact", test, "--ignored", "--nocapture"]).unwrap();
    assert!(passed && said.contains("1 passed"), "{said}");
}
