//! Tests that change what belongs to the whole machine: they run again in a network of their own.

use std::process::Command;

/// Runs an ignored test of this binary in a network namespace of its own, with the loopback interface up. Where the system does not
/// let its users have one, nothing is run, and that is said.
pub fn run_in_own_network(test: &str) {
    let up = "ip link set lo up && exec \"$0\" \"$@\"";
    let inside = |command: &mut Command| {
        command.output().map(|out| (out.status.success(), String::from_utf8_lossy(&out.stdout).into_owned()))
    };
    if !inside(Command::new("unshare").args(["-rn", "sh", "-c", up, "true"])).is_ok_and(|(worked, _)| worked) {
        eprintln!("not tested: no network namespace can be had here");
        return;
    }
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.args(["-rn", "sh", "-c", up]).arg(own).args(["--exact", test, "--ignored", "--nocapture"]);
    let (passed, said) = inside(&mut command).unwrap();
    assert!(passed && said.contains("1 passed"), "{said}");
}
